#include "outhook/delivery/lane.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include <stdlib.h>

enum {
    CUT_THROTTLED = 50, /* percent of the limit that remains */
    CUT_SILENT = 50,
    CUT_FAILED = 70,
    OVERDUE_SHARE = 4, /* one part in so many of an answering endpoint's calls may be overdue */
};

static const char *const state_names[] = {
#define LANE_STATE_NAME(name, word, edges) word,
    LANE_STATES(LANE_STATE_NAME)
#undef LANE_STATE_NAME
};

#define L(name) (1u << LANE_##name)
static const unsigned state_edges[] = {
#define LANE_STATE_EDGES(name, word, edges) edges,
    LANE_STATES(LANE_STATE_EDGES)
#undef LANE_STATE_EDGES
};
#undef L

const char *lane_state_name(enum lane_state state) {
    return state_names[state];
}

bool lane_edge_allowed(enum lane_state from, enum lane_state to) {
    return state_edges[from] >> to & 1u;
}

bool lane_claims_room(const struct lane *lane) {
    return lane->state == LANE_READY || lane->state == LANE_LOADING;
}

struct lane *lane_new(struct endpoint *endpoint) {
    struct lane *lane = new (struct lane);
    lane->endpoint = endpoint;
    lane->endpoint_id = endpoint->id;
    lane->next_due = lane->missed_due = CLOCK_NEVER;
    lane->failing_since = endpoint->failing_since;
    list_init(&lane->link);
    list_init(&lane->moved);
    list_init(&lane->window);
    list_init(&lane->flying);
    concurrency_reset(&lane->concurrency);
    return lane;
}

void lane_free(struct lane *lane) {
    endpoint_unref(lane->endpoint);
    free(lane);
}

void lane_clock_moved(struct lane *lane, int64_t moved_ms, struct now now) {
    if (!lane->failing_since)
        return;
    lane->failing_since += moved_ms;
    if (lane->failing_since > now.wall_ms) /* it was this clock's wrong time that it began after */
        lane->failing_since = now.wall_ms;
    lane->failing_moved = true;
}

static int lane_most(const struct lane *lane, const struct lane_policy *policy) {
    int most = lane->endpoint->max_in_flight ? lane->endpoint->max_in_flight
                                             : policy->endpoint_max_in_flight;
    return policy->share_max && policy->share_max < most ? policy->share_max : most;
}

int lane_limit(const struct lane *lane, const struct lane_policy *policy, int64_t now_mono_ms) {
    if (lane->endpoint->ordered || breaker_half_open(&lane->breaker, now_mono_ms))
        return 1;
    return concurrency_limit(&lane->concurrency, lane_most(lane, policy));
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t lane_opens_at(const struct lane *lane, struct now now) {
    const struct endpoint *endpoint = lane->endpoint;
    int64_t at = later(lane->hold_until, lane->breaker.open_until);
    int burst = endpoint->rate_burst ? endpoint->rate_burst : 1;
    at = later(at, rate_ready_at(&lane->rate, endpoint->rate_limit, burst));
    if (!lane->n_window && lane->next_due != CLOCK_NEVER)
        at = later(at, now.mono_ms + (lane->next_due - now.wall_ms));
    return at;
}

/* When the call was sent that has been under way longest but for `others`; now without such a call.
 */
static int64_t lane_oldest_sent_at(const struct lane *lane, int others, int64_t now_mono_ms) {
    struct list *link = lane->flying.next;
    while (link != &lane->flying && others-- > 0)
        link = link->next;
    return link == &lane->flying ? now_mono_ms : container_of(link, struct delivery, link)->sent_at;
}

/* A call that takes longer than this endpoint's calls do is a sign that it has fallen silent. While
 * others of its calls are answered, a part of them may be slow: one of several servers behind one
 * address may hang. */
static bool lane_overdue(const struct lane *lane, int limit, int64_t floor_ms,
                         int64_t now_mono_ms) {
    int64_t usual_ms = concurrency_overdue_ms(&lane->concurrency, floor_ms);
    bool silent = now_mono_ms - lane->answered_at > usual_ms;
    int slow = silent ? 0 : limit / OVERDUE_SHARE;
    return now_mono_ms - lane_oldest_sent_at(lane, slow, now_mono_ms) > usual_ms;
}

bool lane_blocked(const struct lane *lane, const struct lane_policy *policy, int64_t floor_ms,
                  int64_t now_mono_ms) {
    /* Strict order needs the last row's fate on disk before the next row is chosen. */
    if (lane->endpoint->ordered && lane->n_unwritten)
        return true;
    int limit = lane_limit(lane, policy, now_mono_ms);
    return lane->n_flying >= limit || lane_overdue(lane, limit, floor_ms, now_mono_ms);
}

/* The limit and the duration estimate. */
static void lane_learn_pace(struct lane *lane, const struct lane_policy *policy,
                            const struct outcome *outcome, int64_t sent_at, struct now now) {
    struct concurrency *concurrency = &lane->concurrency;
    if (outcome_answered(outcome))
        lane->answered_at = now.mono_ms;
    switch (outcome->verdict) {
    case VERDICT_DELIVERED:
        concurrency_answered(concurrency, now.mono_ms - sent_at);
        concurrency_grow(concurrency, lane->n_flying + 1, lane_most(lane, policy));
        break;
    case VERDICT_REJECTED:
        concurrency_answered(concurrency, now.mono_ms - sent_at);
        break;
    case VERDICT_THROTTLED:
        concurrency_cut(concurrency, CUT_THROTTLED, sent_at, now.mono_ms);
        break;
    case VERDICT_FAILED:
        concurrency_cut(concurrency, CUT_FAILED, sent_at, now.mono_ms);
        break;
    case VERDICT_TIMEOUT:
    case VERDICT_UNREACHABLE:
        concurrency_cut(concurrency, CUT_SILENT, sent_at, now.mono_ms);
        concurrency_doubt(concurrency);
        break;
    case VERDICT_GONE:
    case VERDICT_BLOCKED:
    case VERDICT_INVALID:
    case VERDICT_ABORTED:
        break;
    }
}

static struct lane_news lane_learn_health(struct lane *lane, const struct lane_policy *policy,
                                          const struct outcome *outcome, struct now now,
                                          struct random *random) {
    struct lane_news news = {0};
    switch (outcome->verdict) {
    case VERDICT_DELIVERED:
    case VERDICT_REJECTED: /* alive, whatever it says */
        news.breaker_closed = breaker_answered(&lane->breaker, now.mono_ms);
        break;
    case VERDICT_FAILED:
    case VERDICT_TIMEOUT:
    case VERDICT_UNREACHABLE:
    case VERDICT_BLOCKED:
        news.breaker_opened =
            breaker_failed(&lane->breaker, &policy->breaker, lane_limit(lane, policy, now.mono_ms),
                           now.mono_ms, random);
        if (news.breaker_opened)
            concurrency_doubt(&lane->concurrency);
        break;
    case VERDICT_GONE:
    case VERDICT_THROTTLED: /* says itself when to come back */
    case VERDICT_INVALID:
    case VERDICT_ABORTED:
        break;
    }
    return news;
}

/* Whether it ever succeeds. What another URL gets can't be told from what nobody wants any more, so
 * a bare URL's endpoint is left as it is: its deliveries end by themselves. */
static void lane_learn_streak(struct lane *lane, const struct lane_policy *policy,
                              const struct outcome *outcome, struct now now,
                              struct lane_news *news) {
    bool failed = outcome->verdict != VERDICT_INVALID && outcome->verdict != VERDICT_ABORTED;
    if (!lane->endpoint->name)
        return;
    if (outcome->verdict == VERDICT_DELIVERED) {
        news->failing_ended = lane->failing_since != 0;
        lane->failing_since = 0;
    } else if (failed && !lane->failing_since) {
        news->failing_began = true;
        lane->failing_since = now.wall_ms;
    } else if (failed) {
        news->failing_began = lane->failing_moved;
        news->failing_ms = now.wall_ms - lane->failing_since;
        news->failed_too_long =
            policy->disable_after_ms && news->failing_ms >= policy->disable_after_ms;
    }
    if (news->failing_began || news->failing_ended)
        lane->failing_moved = false;
    news->failing_since = lane->failing_since;
}

struct lane_news lane_learn(struct lane *lane, const struct lane_policy *policy,
                            const struct outcome *outcome, int64_t sent_at, int64_t hold_max_ms,
                            struct now now, struct random *random) {
    lane_learn_pace(lane, policy, outcome, sent_at, now);
    struct lane_news news = lane_learn_health(lane, policy, outcome, now, random);
    lane_learn_streak(lane, policy, outcome, now, &news);
    if (outcome->verdict == VERDICT_THROTTLED && outcome->retry_after_ms > 0) {
        int64_t hold_ms =
            outcome->retry_after_ms < hold_max_ms ? outcome->retry_after_ms : hold_max_ms;
        lane->hold_until = later(lane->hold_until, now.mono_ms + hold_ms);
    }
    return news;
}
