#include "outhook/delivery/scheduler.h"

#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LOAD_ROWS_MAX = 32,     /* rows a load */
    UNLOAD_AFTER_MS = 1000, /* a lane that waits longer than this keeps no rows in memory */
    DEBT_MAX_MS = 10000,    /* slot-time that a lane may owe, at most */
};

/* ---- states ---------------------------------------------------------------------------------- */

static void scheduler_leave(struct scheduler *scheduler, struct lane *lane) {
    heap_remove(lane->state == LANE_READY ? &scheduler->ready : &scheduler->timers, &lane->node);
    list_remove(&lane->link);
    if (lane->load == LOAD_QUEUED)
        lane->load = LOAD_NONE;
}

/* Keeps a slot of the unproven ones' share for a lane whose row is being loaded, or gives it back.
 */
static void scheduler_reserve(struct scheduler *scheduler, struct lane *lane, bool reserved) {
    scheduler->n_reserved += reserved - lane->reserved;
    lane->reserved = reserved;
}

/* The only function that changes a lane's state: out of the old state's container, into the new
 * one's. `key` is the wake-up time of a WAITING lane (mono ms) and the order of a READY one. */
static void scheduler_move(struct scheduler *scheduler, struct lane *lane, enum lane_state state,
                           int64_t key) {
    assert(lane_edge_allowed(lane->state, state));
    if (state == LANE_LOADING && lane->state == LANE_LOADING)
        return; /* it keeps its place among the loads */
    scheduler_leave(scheduler, lane);
    if (state != LANE_READY && state != LANE_LOADING)
        scheduler_reserve(scheduler, lane, false);
    lane->state = state;
    switch (state) {
    case LANE_WAITING:
        heap_push(&scheduler->timers, &lane->node, key, lane->endpoint_id);
        break;
    case LANE_READY:
        heap_push(&scheduler->ready, &lane->node, key, lane->endpoint_id);
        break;
    case LANE_LOADING:
        if (lane->load == LOAD_NONE)
            loader_queue(&scheduler->loader, lane);
        break;
    case LANE_PARKED:
        list_push(&scheduler->parked, &lane->link);
        break;
    case LANE_IDLE:
    case LANE_BLOCKED:
    case LANE_PAUSED:
        break;
    }
}

/* A row leaves memory without having been sent. */
static void scheduler_release(struct scheduler *scheduler, struct lane *lane,
                              struct delivery *delivery) {
    if (delivery->due_at < lane->next_due)
        lane->next_due = delivery->due_at;
    loader_drop_payload(&scheduler->loader, &scheduler->policy.load, delivery);
    loader_drop_row(&scheduler->loader);
    scheduler->ops->release(scheduler->context, delivery);
}

/* Gives the window back. That is free: loading wrote nothing. */
static void scheduler_unload(struct scheduler *scheduler, struct lane *lane) {
    struct list *link;
    if (lane->load == LOAD_SENT)
        lane->drop_load = true;
    while ((link = list_pop(&lane->window))) {
        lane->n_window--;
        scheduler_release(scheduler, lane, container_of(link, struct delivery, link));
    }
}

/* The only function that decides a lane's state. */
static void scheduler_eval(struct scheduler *scheduler, struct lane *lane, struct now now) {
    if (lane->paused || scheduler->stopping) {
        scheduler_unload(scheduler, lane);
        scheduler_move(scheduler, lane, LANE_PAUSED, 0);
        return;
    }
    if (!lane->n_window && lane->load != LOAD_NONE) {
        scheduler_move(scheduler, lane, LANE_LOADING, 0);
        return;
    }
    if (!lane->n_window && lane->next_due == CLOCK_NEVER) {
        bool busy = lane->n_flying || lane->n_unwritten;
        scheduler_move(scheduler, lane, busy ? LANE_BLOCKED : LANE_IDLE, 0);
        return;
    }

    int64_t opens_at = lane_opens_at(lane, now);
    if (opens_at > now.mono_ms) {
        if (opens_at - now.mono_ms > UNLOAD_AFTER_MS)
            scheduler_unload(scheduler, lane);
        scheduler_move(scheduler, lane, LANE_WAITING, opens_at);
    } else if (lane_blocked(lane, &scheduler->policy.lane, now.mono_ms)) {
        scheduler_move(scheduler, lane, LANE_BLOCKED, 0);
    } else {
        /* A lane that comes back from idleness starts at the present, with no hoarded credit. */
        int64_t start =
            lane->virtual_ms > scheduler->virtual_ms ? lane->virtual_ms : scheduler->virtual_ms;
        scheduler_move(scheduler, lane, LANE_READY, start);
    }
}

static void scheduler_free_lane(struct scheduler *scheduler, struct lane *lane) {
    scheduler_leave(scheduler, lane);
    map_remove(&scheduler->lanes, lane->endpoint_id);
    lane_free(lane);
}

/* Looks at a lane after something happened to it; a lane whose endpoint is gone ends here. */
static void scheduler_settle(struct scheduler *scheduler, struct lane *lane, struct now now) {
    scheduler_eval(scheduler, lane, now);
    if (lane->gone && !lane->n_flying && !lane->n_unwritten && lane->load != LOAD_SENT)
        scheduler_free_lane(scheduler, lane);
}

/* ---- life ------------------------------------------------------------------------------------ */

void scheduler_init(struct scheduler *scheduler, const struct scheduler_ops *ops, void *context,
                    const struct scheduler_policy *policy, uint64_t seed) {
    *scheduler = (struct scheduler){
        .ops = ops,
        .context = context,
        .policy = *policy,
        .random = {seed},
    };
    loader_init(&scheduler->loader);
    list_init(&scheduler->parked);
}

static void free_deliveries(struct list *list) {
    struct list *link;
    while ((link = list_pop(list)))
        delivery_free(container_of(link, struct delivery, link));
}

void scheduler_free(struct scheduler *scheduler) {
    struct lane *lane;
    for (size_t cursor = 0; (lane = map_next(&scheduler->lanes, &cursor));) {
        free_deliveries(&lane->window);
        free_deliveries(&lane->flying);
        lane_free(lane);
    }
    map_free(&scheduler->lanes);
    heap_free(&scheduler->timers);
    heap_free(&scheduler->ready);
}

void scheduler_set_policy(struct scheduler *scheduler, const struct scheduler_policy *policy) {
    scheduler->policy = *policy;
}

void scheduler_stop(struct scheduler *scheduler) {
    struct lane *lane;
    scheduler->stopping = true;
    for (size_t cursor = 0; (lane = map_next(&scheduler->lanes, &cursor));)
        scheduler_eval(scheduler, lane, (struct now){0});
}

/* ---- news of the store ----------------------------------------------------------------------- */

/* A changed URL is another place: what was learned of the old one says nothing about it. */
static void lane_replace_endpoint(struct lane *lane, struct endpoint *endpoint) {
    if (!endpoint_same_target(lane->endpoint, endpoint)) {
        concurrency_reset(&lane->concurrency);
        lane->breaker = (struct breaker){0};
        lane->hold_until = 0;
    }
    if (lane->endpoint->rate_limit != endpoint->rate_limit ||
        lane->endpoint->rate_burst != endpoint->rate_burst)
        lane->rate = (struct rate){0}; /* what the old limit put off is not due to the new one */
    endpoint_unref(lane->endpoint);
    lane->endpoint = endpoint;
}

void scheduler_endpoint(struct scheduler *scheduler, struct endpoint *endpoint, int64_t next_due,
                        struct now now) {
    struct lane *lane = map_get(&scheduler->lanes, endpoint->id);
    if (lane) {
        lane_replace_endpoint(lane, endpoint);
    } else {
        lane = lane_new(endpoint);
        map_put(&scheduler->lanes, endpoint->id, lane);
    }
    lane->next_due = next_due;
    lane->paused = !endpoint->enabled;
    lane->gone = false;
    scheduler_unload(scheduler, lane); /* rows may have been cancelled */
    scheduler_eval(scheduler, lane, now);
}

void scheduler_endpoint_gone(struct scheduler *scheduler, int64_t endpoint_id) {
    struct lane *lane = map_get(&scheduler->lanes, endpoint_id);
    if (!lane)
        return;
    lane->paused = lane->gone = true;
    scheduler_settle(scheduler, lane, (struct now){0});
}

bool scheduler_noticed(struct scheduler *scheduler, int64_t endpoint_id, int64_t due_at,
                       struct now now) {
    struct lane *lane = map_get(&scheduler->lanes, endpoint_id);
    if (!lane)
        return false;
    if (due_at < lane->next_due) {
        lane->next_due = due_at;
        scheduler_eval(scheduler, lane, now);
    }
    return true;
}

void scheduler_loaded(struct scheduler *scheduler, int64_t endpoint_id,
                      struct delivery *const *rows, int count, int64_t next_due, int64_t need_bytes,
                      struct now now) {
    struct lane *lane = map_get(&scheduler->lanes, endpoint_id);
    loader_answered(&scheduler->loader, &scheduler->policy.load, lane);
    lane->need_bytes = need_bytes;

    for (int i = 0; i < count; i++) {
        rows[i]->lane = lane;
        list_push(&lane->window, &rows[i]->link);
        lane->n_window++;
        loader_take(&scheduler->loader, &scheduler->policy.load, rows[i]);
    }
    if (!lane->drop_load || next_due < lane->next_due)
        lane->next_due = next_due;
    if (lane->drop_load)
        scheduler_unload(scheduler, lane);
    lane->drop_load = false;
    scheduler_settle(scheduler, lane, now);
}

void scheduler_written(struct scheduler *scheduler, struct delivery *delivery, int64_t due_at,
                       struct now now) {
    struct lane *lane = delivery->lane;
    lane->n_unwritten--;
    scheduler->n_unwritten--;
    loader_drop_row(&scheduler->loader);
    if (due_at < lane->next_due)
        lane->next_due = due_at;
    delivery_free(delivery);
    scheduler_settle(scheduler, lane, now);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void scheduler_land(struct scheduler *scheduler, struct delivery *delivery) {
    list_remove(&delivery->link);
    delivery->lane->n_flying--;
    scheduler->n_flying--;
    loader_drop_payload(&scheduler->loader, &scheduler->policy.load, delivery);
    delivery_free_payload(delivery);
    if (delivery->unproven)
        scheduler->n_unproven--;
}

/* The call was charged in advance for what it was expected to take; now the truth is known. */
static void scheduler_charge(struct scheduler *scheduler, struct delivery *delivery,
                             struct now now) {
    struct lane *lane = delivery->lane;
    int64_t debt_max = scheduler->virtual_ms + DEBT_MAX_MS;
    lane->virtual_ms += now.mono_ms - delivery->sent_at - delivery->charged_ms;
    if (lane->virtual_ms > debt_max)
        lane->virtual_ms = debt_max;
}

static struct retry_decision scheduler_decide(struct scheduler *scheduler,
                                              const struct delivery *delivery,
                                              const struct outcome *outcome, struct now now) {
    const struct endpoint *endpoint = delivery->lane->endpoint;
    struct retry_policy retry = scheduler->policy.retry;
    if (endpoint->retry_schedule)
        retry.schedule = endpoint->retry_schedule;
    if (endpoint->max_attempts)
        retry.max_attempts = endpoint->max_attempts;

    /* What can't be sent today can't be sent tomorrow; and a bare URL can't be enabled again. */
    if (outcome->verdict == VERDICT_INVALID ||
        (outcome->verdict == VERDICT_GONE && !endpoint->name))
        return (struct retry_decision){.fate = RETRY_FAILED};
    int64_t asked_ms = outcome->verdict == VERDICT_THROTTLED ? outcome->retry_after_ms : -1;
    struct retry_decision decision =
        retry_decide(&retry, delivery->attempts + 1, asked_ms, now.wall_ms, delivery->expires_at,
                     &scheduler->random);
    /* The endpoint is disabled: the row waits for it, and goes as soon as it is enabled again, in
     * the place that it had. */
    if (outcome->verdict == VERDICT_GONE && decision.fate == RETRY_AGAIN)
        decision.due_at = delivery->due_at;
    return decision;
}

/* An ordered lane waits for the retry of its first row, which keeps its place by keeping its due
 * time; what was loaded behind it is given back. */
static void scheduler_hold_order(struct scheduler *scheduler, struct delivery *delivery,
                                 struct retry_decision *decision, struct now now) {
    struct lane *lane = delivery->lane;
    lane->hold_until = now.mono_ms + (decision->due_at - now.wall_ms);
    decision->due_at = delivery->due_at;
    scheduler_unload(scheduler, lane);
}

struct completion scheduler_completed(struct scheduler *scheduler, struct delivery *delivery,
                                      const struct outcome *outcome, struct now now) {
    struct lane *lane = delivery->lane;
    struct completion completion = {0};

    scheduler_land(scheduler, delivery);
    lane->n_unwritten++;
    scheduler->n_unwritten++;
    scheduler_charge(scheduler, delivery, now);
    /* A call to a URL that has been replaced meanwhile says nothing of the new one. */
    bool same_target = endpoint_same_target(delivery->endpoint, lane->endpoint);
    if (same_target)
        completion.news =
            lane_learn(lane, &scheduler->policy.lane, outcome, delivery->sent_at,
                       scheduler->policy.retry.retry_after_max_ms, now, &scheduler->random);
    if (outcome->verdict != VERDICT_DELIVERED)
        completion.decision = scheduler_decide(scheduler, delivery, outcome, now);
    if (outcome->verdict == VERDICT_GONE && lane->endpoint->name && same_target)
        completion.disable_endpoint = lane->paused = true;
    else if (lane->endpoint->ordered && outcome->verdict != VERDICT_DELIVERED &&
             completion.decision.fate == RETRY_AGAIN)
        scheduler_hold_order(scheduler, delivery, &completion.decision, now);

    scheduler_eval(scheduler, lane, now);
    return completion;
}

void scheduler_aborted(struct scheduler *scheduler, struct delivery *delivery) {
    scheduler_land(scheduler, delivery);
    loader_drop_row(&scheduler->loader);
    delivery_free(delivery);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static int scheduler_unproven_share(const struct scheduler *scheduler) {
    return (scheduler->policy.max_in_flight + 1) / 2;
}

/* Room for one more in the unproven ones' share of the slots. */
static bool scheduler_unproven_room(const struct scheduler *scheduler) {
    return scheduler->n_unproven + scheduler->n_reserved < scheduler_unproven_share(scheduler);
}

static bool scheduler_has_slot(const struct scheduler *scheduler) {
    return scheduler->n_flying + scheduler->n_unwritten < scheduler->policy.max_in_flight;
}

static int lane_rows_wanted(const struct scheduler *scheduler, const struct lane *lane,
                            struct now now) {
    int limit = lane_limit(lane, &scheduler->policy.lane, now.mono_ms);
    int want = limit + limit / 2 - lane->n_flying - lane->n_window;
    if (lane->need_bytes)
        return 1; /* the bytes are for that one row, or for one row if it was cancelled */
    return want < 1 ? 1 : want > LOAD_ROWS_MAX ? LOAD_ROWS_MAX : want;
}

static void scheduler_load(struct scheduler *scheduler, struct lane *lane, struct now now) {
    loader_ask(&scheduler->loader, &scheduler->policy.load, lane,
               lane_rows_wanted(scheduler, lane, now));
    scheduler->ops->load(scheduler->context, lane->endpoint_id, lane->load_rows, lane->load_bytes);
}

static void scheduler_run_loads(struct scheduler *scheduler, struct now now) {
    struct lane *lane;
    while ((lane = loader_next(&scheduler->loader, &scheduler->policy.load))) {
        list_remove(&lane->link);
        scheduler_load(scheduler, lane, now);
    }
}

static void scheduler_prefetch(struct scheduler *scheduler, struct lane *lane, struct now now) {
    bool low = lane->n_window < lane_limit(lane, &scheduler->policy.lane, now.mono_ms) / 2;
    /* Not before those that have nothing at all: the first of them may wait for much room. */
    if (low && list_empty(&scheduler->loader.usual) && lane->load == LOAD_NONE &&
        lane->next_due <= now.wall_ms && lane->state != LANE_PAUSED &&
        lane->state != LANE_WAITING &&
        loader_has_room(&scheduler->loader, &scheduler->policy.load, lane))
        scheduler_load(scheduler, lane, now);
}

static struct delivery *lane_pop(struct lane *lane) {
    struct list *link = list_pop(&lane->window);
    lane->n_window--;
    return container_of(link, struct delivery, link);
}

static void scheduler_expire(struct scheduler *scheduler, struct lane *lane,
                             struct delivery *delivery, struct now now) {
    loader_drop_payload(&scheduler->loader, &scheduler->policy.load, delivery);
    delivery_free_payload(delivery);
    lane->n_unwritten++;
    scheduler->n_unwritten++;
    scheduler->ops->expire(scheduler->context, delivery);
    scheduler_eval(scheduler, lane, now);
}

static void scheduler_send(struct scheduler *scheduler, struct lane *lane,
                           struct delivery *delivery, struct now now) {
    if (lane->virtual_ms > scheduler->virtual_ms)
        scheduler->virtual_ms = lane->virtual_ms;
    delivery->charged_ms = concurrency_expected_ms(&lane->concurrency);
    lane->virtual_ms = scheduler->virtual_ms + delivery->charged_ms;
    rate_take(&lane->rate, lane->endpoint->rate_limit, now.mono_ms);

    scheduler_reserve(scheduler, lane, false);
    delivery->endpoint = endpoint_ref(lane->endpoint); /* given back by delivery_free() */
    delivery->sent_at = now.mono_ms;
    delivery->unproven = !lane->concurrency.proven;
    list_push(&lane->flying, &delivery->link);
    lane->n_flying++;
    scheduler->n_flying++;
    scheduler->n_unproven += delivery->unproven;
    scheduler->ops->send(scheduler->context, delivery);

    scheduler_eval(scheduler, lane, now);
    scheduler_prefetch(scheduler, lane, now);
}

/* Serves the ready lane that used least. Gates may have moved while it was queued, so they are
 * asked once more. */
static void scheduler_serve(struct scheduler *scheduler, struct lane *lane, struct now now) {
    if (lane_opens_at(lane, now) > now.mono_ms ||
        lane_blocked(lane, &scheduler->policy.lane, now.mono_ms)) {
        scheduler_eval(scheduler, lane, now);
    } else if (!lane->concurrency.proven && !lane->reserved &&
               !scheduler_unproven_room(scheduler)) {
        scheduler_unload(scheduler, lane); /* rows of the many that wait would fill the memory */
        scheduler_move(scheduler, lane, LANE_PARKED, 0);
    } else if (!lane->n_window) {
        scheduler_reserve(scheduler, lane, !lane->concurrency.proven);
        scheduler_move(scheduler, lane, LANE_LOADING, 0);
    } else {
        struct delivery *delivery = lane_pop(lane);
        if (delivery->expires_at <= now.wall_ms)
            scheduler_expire(scheduler, lane, delivery, now);
        else
            scheduler_send(scheduler, lane, delivery, now);
    }
}

static void scheduler_run_timers(struct scheduler *scheduler, struct now now) {
    struct heap_node *node;
    while ((node = heap_first(&scheduler->timers)) && node->key <= now.mono_ms)
        scheduler_eval(scheduler, container_of(node, struct lane, node), now);
}

static bool scheduler_may_unpark(const struct scheduler *scheduler) {
    return !list_empty(&scheduler->parked) && scheduler_unproven_room(scheduler);
}

/* The ready lane that used least, or NULL. While the unproven ones' share has a free slot, the
 * lanes that wait longest for one look again, until one of them is ready for it. */
static struct heap_node *scheduler_next(struct scheduler *scheduler, struct now now) {
    bool ready = false;
    while (!ready && scheduler_may_unpark(scheduler)) {
        struct lane *lane = container_of(list_first(&scheduler->parked), struct lane, link);
        scheduler_eval(scheduler, lane, now);
        ready = lane->state == LANE_READY;
    }
    return heap_first(&scheduler->ready);
}

bool scheduler_run(struct scheduler *scheduler, struct now now, int budget) {
    struct heap_node *node = NULL;
    if (scheduler->stopping)
        return false;
    scheduler_run_timers(scheduler, now);
    while (scheduler_has_slot(scheduler) && budget-- > 0 && (node = scheduler_next(scheduler, now)))
        scheduler_serve(scheduler, container_of(node, struct lane, node), now);
    scheduler_run_loads(scheduler, now);
    return scheduler_has_slot(scheduler) &&
           (heap_first(&scheduler->ready) || scheduler_may_unpark(scheduler));
}

int64_t scheduler_wake_at(const struct scheduler *scheduler) {
    struct heap_node *node = heap_first(&scheduler->timers);
    return node ? node->key : CLOCK_NEVER;
}

void scheduler_clock_moved(struct scheduler *scheduler, struct now now) {
    struct lane *lane;
    for (size_t cursor = 0; (lane = map_next(&scheduler->lanes, &cursor));)
        if (lane->state == LANE_WAITING)
            scheduler_eval(scheduler, lane, now);
}
