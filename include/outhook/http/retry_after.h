#ifndef OUTHOOK_HTTP_RETRY_AFTER_H
#define OUTHOOK_HTTP_RETRY_AFTER_H

/*
 * How long a receiver asks to be left alone, from a Retry-After header (RFC 9110, 10.2.3): seconds,
 * or a date. libcurl's own reading takes a number that is too large for none at all, and "3600
 * seconds" for 3600.
 */

#include <stdint.h>

/* What is asked for is bounded here so that it stays a number of ms; the setting retry_after_max is
 * far below. */
enum { RETRY_AFTER_MAX_S = 1000000000 };

/* The wait in ms from `now_wall_ms` on, at least 1 and at most RETRY_AFTER_MAX_S; -1 when the value
 * asks for none: it is 0, in the past, or neither a number nor a date. Any thread. */
int64_t retry_after_ms(const char *value, int64_t now_wall_ms);

#endif
