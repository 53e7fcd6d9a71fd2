#include "outhook/delivery/gate.h"

#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/lane.h"
#include "outhook/delivery/origin.h"

enum { DIFFERENCE_MS = 1000 };

static const char *const gate_names[] = {
#define GATE_NAME(name, word) word,
    GATES(GATE_NAME)
#undef GATE_NAME
};

const char *gate_name(enum gate_kind kind) {
    return gate_names[kind];
}

static int64_t wall(int64_t mono_ms, struct now now) {
    return now.wall_ms + (mono_ms - now.mono_ms);
}

/* Of a lane that waits for a time: whichever of its gates opens last. */
static struct gate gate_waiting(const struct lane *lane, struct now now) {
    const struct endpoint *endpoint = lane->endpoint;
    int64_t opens_at = lane_opens_at(lane, now);
    if (opens_at <= now.mono_ms)
        return (struct gate){0};
    struct gate gate = {.until_at = wall(opens_at, now)};
    if (opens_at == lane->breaker.open_until)
        gate.kind = GATE_BREAKER;
    else if (opens_at == lane->hold_until)
        gate.kind = endpoint->ordered ? GATE_ORDER : GATE_RETRY_AFTER;
    else if (lane->n_window || lane->next_due <= now.wall_ms)
        gate.kind = GATE_RATE;
    else
        gate.until_at = 0; /* nothing is due yet */
    if (gate.kind == GATE_RATE)
        gate.until_at = 0; /* a moment */
    return gate;
}

static struct gate gate_blocked(const struct lane *lane, int limit, struct now now) {
    bool more = lane->n_window || lane->next_due <= now.wall_ms;
    struct gate gate = {0};
    if (!more)
        return gate;
    if (breaker_half_open(&lane->breaker, now.mono_ms))
        gate.kind = GATE_BREAKER;
    else if (lane->n_flying >= limit)
        gate.kind = GATE_CONCURRENCY;
    else if (lane->n_flying)
        gate.kind = GATE_OVERDUE;
    return gate;
}

struct gate gate_of_lane(const struct lane *lane, const struct lane_policy *policy,
                         struct now now) {
    struct gate gate = {0};
    int limit = lane_limit(lane, policy, now.mono_ms);
    switch (lane->state) {
    case LANE_WAITING:
        gate = gate_waiting(lane, now);
        break;
    case LANE_BLOCKED:
        gate = gate_blocked(lane, limit, now);
        break;
    case LANE_PARKED:
        gate.kind = GATE_UNPROVEN;
        break;
    case LANE_CROWDED:
        gate.kind = lane->origin->breaker.open_until ? GATE_ORIGIN : GATE_CROWDED;
        if (lane->origin->breaker.open_until > now.mono_ms)
            gate.until_at = wall(lane->origin->breaker.open_until, now);
        break;
    case LANE_PAUSED:
        if (lane->endpoint->enabled && lane->endpoint->locked)
            gate.kind = lane->endpoint->keyless ? GATE_KEYLESS : GATE_SEALED;
        break;
    case LANE_IDLE:
    case LANE_READY:
    case LANE_LOADING:
        break;
    }
    gate.in_flight = lane->n_flying;
    gate.limit = limit;
    return gate;
}

bool gate_differs(const struct gate *a, const struct gate *b) {
    int64_t by_ms =
        a->until_at > b->until_at ? a->until_at - b->until_at : b->until_at - a->until_at;
    return a->kind != b->kind || by_ms >= DIFFERENCE_MS ||
           (a->kind == GATE_CONCURRENCY && a->limit != b->limit);
}
