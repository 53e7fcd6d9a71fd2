#include "outhook/delivery/rate.h"

#define NS_PER_MS INT64_C(1000000)

static int64_t rate_interval_ns(double per_second) {
    return (int64_t)(1e9 / per_second);
}

int64_t rate_ready_at(const struct rate *rate, double per_second, int burst) {
    if (per_second <= 0)
        return 0;
    int64_t tolerance = (int64_t)(burst - 1) * rate_interval_ns(per_second);
    int64_t ready_ns = rate->next_even_ns - tolerance;
    /* The millisecond in which it is due: rounded up, no rate could exceed one call in each. What
     * comes early is taken from the next one, as next_even_ns goes on from the exact time. */
    return ready_ns <= 0 ? 0 : ready_ns / NS_PER_MS;
}

void rate_take(struct rate *rate, double per_second, int64_t now_ms) {
    if (per_second <= 0)
        return;
    int64_t now_ns = now_ms * NS_PER_MS;
    int64_t from = rate->next_even_ns > now_ns ? rate->next_even_ns : now_ns;
    rate->next_even_ns = from + rate_interval_ns(per_second);
}
