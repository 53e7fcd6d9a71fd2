#ifndef OUTHOOK_DELIVERY_BREAKER_H
#define OUTHOOK_DELIVERY_BREAKER_H

/*
 * Leaves an endpoint alone after too many failed calls in a row, longer each time.
 *
 *      CLOSED ──failures in a row──▶ OPEN ──time is up──▶ HALF OPEN (one call)
 *        ▲                            ▲                       │
 *        └──────────answered──────────┼───────────────────────┤
 *                                     └────────failed─────────┘
 *
 * While it is open nothing is written: the rows keep their due times and burn no attempts. The one
 * call of the half-open state is simply the next delivery.
 */

#include "outhook/base/random.h"

#include <stdbool.h>
#include <stdint.h>

struct breaker_policy {
    int failures;    /* in a row, that open it (or as many as may be under way, if that is more) */
    int64_t open_ms; /* the first time; doubled each time after that */
    int64_t open_max_ms; /* the longest time, before it is jittered by a fifth */
};

struct breaker {
    int failures_in_a_row, answers_in_a_row;
    int opens;          /* times opened since it was last healthy */
    int64_t open_until; /* mono ms; 0: closed. In the past: half open. */
    int64_t closed_at;  /* mono ms of the last time that an answer closed it */
};

/* The endpoint answered. True when this closed the breaker. After ten answers in a row, or ten
 * minutes without opening again, it counts as healthy. */
bool breaker_answered(struct breaker *breaker, int64_t now_ms);

/* A call failed while `limit` may be under way at once. True when this opened the breaker (again).
 */
bool breaker_failed(struct breaker *breaker, const struct breaker_policy *policy, int limit,
                    int64_t now_ms, struct random *random);

/* Opens it whatever it has counted; longer each time. */
void breaker_open(struct breaker *breaker, const struct breaker_policy *policy, int64_t now_ms,
                  struct random *random);

/* Half open: the time is up, and the next call decides. */
bool breaker_half_open(const struct breaker *breaker, int64_t now_ms);

#endif
