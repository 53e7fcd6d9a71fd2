#include "outhook/delivery/retry.h"

static int64_t retry_wait_ms(const struct retry_policy *policy, int attempt, int64_t retry_after_ms,
                             struct random *random) {
    const struct durations *schedule = policy->schedule;
    int step = attempt - 1 < schedule->count ? attempt - 1 : schedule->count - 1;
    int64_t wait = random_jitter(random, schedule->ms[step], policy->jitter_percent);
    if (retry_after_ms < 0)
        return wait;

    int64_t asked =
        retry_after_ms < policy->retry_after_max_ms ? retry_after_ms : policy->retry_after_max_ms;
    asked += random_below(random, asked / 10 + 1);
    return asked > wait ? asked : wait;
}

struct retry_decision retry_decide(const struct retry_policy *policy, int attempt,
                                   int64_t retry_after_ms, int64_t now_wall_ms, int64_t expires_at,
                                   struct random *random) {
    if (attempt >= policy->max_attempts)
        return (struct retry_decision){.fate = RETRY_FAILED};

    int64_t due_at = now_wall_ms + retry_wait_ms(policy, attempt, retry_after_ms, random);
    if (due_at >= expires_at)
        return (struct retry_decision){.fate = RETRY_EXPIRED};
    return (struct retry_decision){.fate = RETRY_AGAIN, .due_at = due_at};
}
