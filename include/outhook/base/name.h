#ifndef OUTHOOK_BASE_NAME_H
#define OUTHOOK_BASE_NAME_H

/*
 * How far two names lie apart, for "did you mean". No state. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

enum { NAME_DISTANCE_NEAR = 3 }; /* a name at most this far off may have been meant */

/* Letters to change, put in or leave out to make `a` into `b` (Levenshtein); SIZE_MAX when `b` has
 * 64 or more. */
size_t name_distance(const char *a, const char *b);

/* Whether a person who typed `a` may have meant `b`: few letters differ, and not half of them. */
bool name_is_near(const char *a, const char *b);

#endif
