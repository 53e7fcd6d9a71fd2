#ifndef OUTHOOK_CLI_TEXT_H
#define OUTHOOK_CLI_TEXT_H

/*
 * Text for a person's terminal. What comes from the database or from the network may hold anything,
 * a terminal's escape sequences as well: control characters never get through here.
 *
 * The locale's LC_CTYPE has to be a UTF-8 one.
 */

#include "outhook/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_UNBOUNDED = 1 << 30 };

/* Appends bytes as one line of at most `columns` columns, an ellipsis for what is cut. White space
 * becomes a blank; control characters, characters that change the direction of the text, and bytes
 * that are no UTF-8 become U+FFFD. Returns the columns used. */
int text_append(struct buffer *line, const char *bytes, size_t length, int columns);

/* The columns that text_append() would use, without a bound. */
int text_columns(const char *bytes, size_t length);

/* How many bytes make the first of several lines of at most `columns` columns: up to a blank, which
 * belongs to it, or else as many characters as fit, but at least one. All of them when they fit. */
size_t text_break(const char *bytes, size_t length, int columns);

/* Appends a length of time as roughly as people say it: 250ms, 12s, 5m, 3h, 2d. Negative counts as
 * 0. */
void text_append_age(struct buffer *line, int64_t ms);

/* Appends a time: 2026-05-01 12:00:00 UTC. */
void text_append_time(struct buffer *line, int64_t at_ms);

/* Appends a time, and how far it is from now: 2026-05-01 12:00:00 UTC (in 5m), or (5m ago). */
void text_append_when(struct buffer *line, int64_t at_ms, int64_t now_ms);

/* Appends 512 bytes, 1.5 KiB, 20 MiB … */
void text_append_bytes(struct buffer *line, int64_t bytes);

#endif
