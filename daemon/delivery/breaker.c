#include "outhook/delivery/breaker.h"

enum {
    HEALTHY_ANSWERS = 10,
    HEALTHY_MS = 10 * 60 * 1000,
    OPENS_MAX = 20,
    OPEN_JITTER_PERCENT = 20,
};

bool breaker_answered(struct breaker *breaker, int64_t now_ms) {
    bool was_open = breaker->open_until != 0;
    breaker->failures_in_a_row = 0;
    breaker->open_until = 0;
    if (was_open) {
        breaker->answers_in_a_row = 0;
        breaker->closed_at = now_ms;
    }
    if (++breaker->answers_in_a_row >= HEALTHY_ANSWERS)
        breaker->opens = 0;
    return was_open;
}

void breaker_open(struct breaker *breaker, const struct breaker_policy *policy, int64_t now_ms,
                  struct random *random) {
    int64_t open_ms = policy->open_max_ms;
    if (!breaker->open_until && now_ms - breaker->closed_at >= HEALTHY_MS)
        breaker->opens = 0;
    if (policy->open_ms < policy->open_max_ms >> breaker->opens)
        open_ms = policy->open_ms << breaker->opens;
    if (breaker->opens < OPENS_MAX)
        breaker->opens++;
    /* Jittered, so that endpoints that went down together don't come back in the same instant. */
    breaker->open_until = now_ms + random_jitter(random, open_ms, OPEN_JITTER_PERCENT);
}

bool breaker_failed(struct breaker *breaker, const struct breaker_policy *policy, int limit,
                    int64_t now_ms, struct random *random) {
    breaker->answers_in_a_row = 0;
    breaker->failures_in_a_row++;
    if (breaker->open_until > now_ms)
        return false; /* calls that were still under way when it opened */

    int enough = policy->failures > limit ? policy->failures : limit;
    if (!breaker_half_open(breaker, now_ms) && breaker->failures_in_a_row < enough)
        return false;
    breaker_open(breaker, policy, now_ms, random);
    return true;
}

bool breaker_half_open(const struct breaker *breaker, int64_t now_ms) {
    return breaker->open_until != 0 && breaker->open_until <= now_ms;
}
