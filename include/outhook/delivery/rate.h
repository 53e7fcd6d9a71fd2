#ifndef OUTHOOK_DELIVERY_RATE_H
#define OUTHOOK_DELIVERY_RATE_H

/*
 * An endpoint's limit of calls a second, by the generic cell rate algorithm (ITU-T I.371): one
 * number, the time at which the next call would be due if calls came evenly. It needs no timer of
 * its own and says exactly when the next call may start.
 */

#include <stdint.h>

struct rate {
    int64_t next_even_ns; /* the theoretical arrival time, mono */
};

/* The mono ms from which on a call may start. `per_second` 0 means no limit; `burst` is at least 1.
 */
int64_t rate_ready_at(const struct rate *rate, double per_second, int burst);

/* Takes one call at mono time `now_ms`. */
void rate_take(struct rate *rate, double per_second, int64_t now_ms);

#endif
