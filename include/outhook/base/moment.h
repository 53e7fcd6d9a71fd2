#ifndef OUTHOOK_BASE_MOMENT_H
#define OUTHOOK_BASE_MOMENT_H

/*
 * Points in time as people write them on the command line.
 *
 * A duration (duration.h) means so long ago. A date, or a date and a time of day (ISO 8601, with a
 * T or a blank between), is in UTC unless it ends with an offset, as every time that outhook prints
 * is in UTC: the same words then mean the same on every machine, and what is printed can be typed.
 * A number of 12 or more digits is ms since 1970, as in the database.
 */

#include <stdbool.h>
#include <stdint.h>

/* Reads one, given the wall clock's ms. False, with *at_ms untouched, when it isn't one. */
bool moment_parse(const char *text, int64_t now_wall_ms, int64_t *at_ms);

#endif
