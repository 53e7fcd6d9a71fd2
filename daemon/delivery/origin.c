#include "outhook/delivery/origin.h"

#include "outhook/base/memory.h"

#include <stdlib.h>

struct origin *origin_new(int64_t id) {
    struct origin *origin = new (struct origin);
    origin->id = id;
    list_init(&origin->parked);
    list_init(&origin->link);
    return origin;
}

void origin_free(struct origin *origin) {
    free(origin);
}

int origin_room(const struct origin *origin, int most, int64_t now_mono_ms) {
    if (origin->breaker.open_until > now_mono_ms)
        return 0;
    return (breaker_half_open(&origin->breaker, now_mono_ms) ? 1 : most) - origin->n_flying;
}

static bool origin_answered(struct origin *origin, int64_t now_mono_ms) {
    origin->n_silent = 0;
    return breaker_answered(&origin->breaker, now_mono_ms);
}

/* Counts an endpoint that fell silent; false when it was counted before. */
static bool origin_count_silent(struct origin *origin, int64_t endpoint_id) {
    for (int i = 0; i < origin->n_silent; i++)
        if (origin->silent_lanes[i] == endpoint_id)
            return false;
    if (origin->n_silent < ORIGIN_SILENT_LANES)
        origin->silent_lanes[origin->n_silent++] = endpoint_id;
    return true;
}

static bool origin_fell_silent(struct origin *origin, const struct breaker_policy *policy,
                               int64_t endpoint_id, int64_t now_mono_ms, struct random *random) {
    if (origin->breaker.open_until > now_mono_ms)
        return false; /* a call that was still under way when it opened */
    bool counts = origin_count_silent(origin, endpoint_id);
    if (!breaker_half_open(&origin->breaker, now_mono_ms) &&
        (!counts || origin->n_silent < ORIGIN_SILENT_LANES))
        return false;
    breaker_open(&origin->breaker, policy, now_mono_ms, random);
    return true;
}

struct origin_news origin_learn(struct origin *origin, const struct breaker_policy *policy,
                                int64_t endpoint_id, const struct outcome *outcome,
                                int64_t now_mono_ms, struct random *random) {
    struct origin_news news = {0};
    if (outcome_answered(outcome))
        news.closed = origin_answered(origin, now_mono_ms);
    else if (outcome->verdict == VERDICT_TIMEOUT || outcome->verdict == VERDICT_UNREACHABLE)
        news.opened = origin_fell_silent(origin, policy, endpoint_id, now_mono_ms, random);
    return news;
}
