/* How receivers answer. */

#include "sim.h"

#include <math.h>

enum { REFUSED_AFTER_MS = 1, TURNED_AWAY_AFTER_MS = 5, HEAVY_MOST_MS = 10 * SECOND };

static const double heavy_shape = 1.5; /* of the Pareto distribution: its variance is infinite */

static int64_t heavy_latency(const struct receiver *receiver, struct random *random) {
    double even = ((double)random_below(random, 1000000) + 1) / 1000000;
    double ms = (double)receiver->latency_ms * pow(even, -1 / heavy_shape);
    return ms > HEAVY_MOST_MS ? HEAVY_MOST_MS : (int64_t)ms;
}

static bool receiver_is_out(const struct receiver *receiver, int64_t mono_ms) {
    if (!receiver->outage_ms || mono_ms < receiver->outage_from)
        return false;
    int64_t since = mono_ms - receiver->outage_from;
    return (receiver->outage_every ? since % receiver->outage_every : since) < receiver->outage_ms;
}

/* A fixed window, as most have, whose end is told in whole seconds, rounded up. */
static void answer_limited(struct receiver *receiver, int64_t mono_ms, struct outcome *outcome) {
    int64_t window = mono_ms / receiver->window_ms;
    if (window != receiver->window) {
        receiver->window = window;
        receiver->window_calls = 0;
    }
    if (receiver->window_calls < receiver->most) {
        receiver->window_calls++;
        return;
    }
    int64_t left_ms = (window + 1) * receiver->window_ms - mono_ms;
    outcome->verdict = VERDICT_THROTTLED;
    outcome->duration_ms = TURNED_AWAY_AFTER_MS;
    outcome->retry_after_ms = (left_ms + SECOND - 1) / SECOND * SECOND;
}

struct outcome receiver_answer(struct receiver *receiver, struct random *random, int64_t mono_ms,
                               int calls) {
    enum receiver_kind kind =
        receiver_is_out(receiver, mono_ms) ? receiver->outage_kind : receiver->kind;
    struct outcome outcome = {
        .verdict = VERDICT_DELIVERED, .duration_ms = receiver->latency_ms, .retry_after_ms = -1};
    switch (kind) {
    case RECEIVER_STEADY:
        break;
    case RECEIVER_HEAVY:
        outcome.duration_ms = heavy_latency(receiver, random);
        break;
    case RECEIVER_PARTLY:
        if (random_below(random, 100) >= receiver->fail_percent)
            break;
        __attribute__((fallthrough));
    case RECEIVER_HANGING:
        outcome.verdict = VERDICT_TIMEOUT;
        outcome.duration_ms = 30 * SECOND;
        break;
    case RECEIVER_REFUSING:
        outcome.verdict = VERDICT_UNREACHABLE;
        outcome.duration_ms = REFUSED_AFTER_MS;
        break;
    case RECEIVER_FLAKY:
        if (random_below(random, 100) < receiver->fail_percent)
            outcome.verdict = VERDICT_FAILED;
        break;
    case RECEIVER_LIMITED:
        answer_limited(receiver, mono_ms, &outcome);
        break;
    case RECEIVER_CROWDED:
        if (calls >= receiver->most) {
            outcome.verdict = VERDICT_FAILED;
            outcome.duration_ms = TURNED_AWAY_AFTER_MS;
        }
        break;
    case RECEIVER_GONE:
        outcome.verdict = VERDICT_GONE;
        break;
    }
    return outcome;
}
