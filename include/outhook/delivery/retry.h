#ifndef OUTHOOK_DELIVERY_RETRY_H
#define OUTHOOK_DELIVERY_RETRY_H

/*
 * What becomes of a delivery after a call that did not succeed: another attempt, and when; or the
 * end, and which.
 */

#include "outhook/base/duration.h"
#include "outhook/base/random.h"

#include <stdint.h>

struct retry_policy {
    const struct durations *schedule; /* the wait after each attempt; the last one repeats */
    int max_attempts;
    int jitter_percent;         /* each wait is up to this much longer or shorter */
    int64_t retry_after_max_ms; /* a receiver may ask for no longer wait than this */
};

enum retry_fate { RETRY_AGAIN, RETRY_FAILED, RETRY_EXPIRED };

struct retry_decision {
    enum retry_fate fate;
    int64_t due_at;   /* wall ms of the next attempt; RETRY_AGAIN only */
    int64_t retry_at; /* that, where due_at keeps the row's place in an ordered line; else 0 */
};

/* Decides after attempt number `attempt` (1 for the first since the insert or replay). A wait asked
 * for by Retry-After (`retry_after_ms`, -1: none) is a floor, and lengthened by up to a tenth so
 * that not all come back in the same instant. A retry that would come after `expires_at` has
 * expired now. */
struct retry_decision retry_decide(const struct retry_policy *policy, int attempt,
                                   int64_t retry_after_ms, int64_t now_wall_ms, int64_t expires_at,
                                   struct random *random);

#endif
