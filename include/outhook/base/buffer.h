#ifndef OUTHOOK_BASE_BUFFER_H
#define OUTHOOK_BASE_BUFFER_H

/*
 * Bytes that grow at the end, always followed by a NUL that is not counted, so that a buffer of text is
 * a string. One thread.
 */

#include "outhook/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct buffer {
    char *data; /* NULL while nothing was ever appended */
    size_t length, capacity;
};

/* A buffer starts as {0}. Frees its memory and makes it empty again. */
void buffer_free(struct buffer *buffer);

/* Empties a buffer and keeps its memory for what comes next. */
void buffer_clear(struct buffer *buffer);

/* As buffer_clear(), or as buffer_free() when it has become larger than usual. */
void buffer_reuse(struct buffer *buffer, size_t usual_bytes);

/* Appends `length` bytes. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);

/* Appends a string, or a number as decimal digits: a tenth of what buffer_print() takes. */
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_number(struct buffer *buffer, int64_t number);

/* Appends formatted text. */
void buffer_print(struct buffer *buffer, const char *format, ...) printf_like(2, 3);

/* The text so far; "" while empty. */
const char *buffer_text(const struct buffer *buffer);

#endif
