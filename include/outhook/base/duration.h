#ifndef OUTHOOK_BASE_DURATION_H
#define OUTHOOK_BASE_DURATION_H

/*
 * Lengths of time as people write them: 250ms, 30s, 5m, 12h, 7d; one number and one unit, so that
 * what is written is what is read back. The same form stands in the configuration, in
 * endpoints.retry_schedule (judged there by a trigger) and on the command line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DURATIONS_MAX = 50, DURATION_TEXT_BYTES = 24 };

/* A list of durations, such as a retry schedule. */
struct durations {
    int count;
    int64_t ms[DURATIONS_MAX];
};

/* Reads one duration (of at most 999999999 units) from exactly `length` bytes of `text`. False, with
 * *ms untouched, when it isn't one. */
bool duration_parse(const char *text, size_t length, int64_t *ms);

/* Reads 1 to DURATIONS_MAX durations parted by spaces. False when the text is anything else. */
bool durations_parse(const char *text, struct durations *durations);

/* Writes a duration in its largest whole unit ("90s", "2m"). Returns `text`. */
char *duration_format(int64_t ms, char text[DURATION_TEXT_BYTES]);

#endif
