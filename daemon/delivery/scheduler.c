#include "outhook/delivery/scheduler.h"

#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FORGETTING_MAX = 64,    /* lanes dropped, and not yet known to be */
    LOAD_ROWS_MAX = 32,     /* rows a load */
    UNLOAD_AFTER_MS = 1000, /* a lane that waits longer than this keeps no rows in memory */
    DEBT_MAX_MS = 10000,    /* slot-time that a lane may owe, at most */
    /* A call that takes less counts as much: what it took is this machine's noise. So lanes whose
     * receivers answer at once take turns, and stay at the same age of their backlogs, where rows
     * that were inserted together lie on one page. */
    CHARGE_LEAST_MS = 10,
};

/* ---- states ---------------------------------------------------------------------------------- */

/* A row leaves memory without having been sent. */
static void scheduler_release(struct scheduler *scheduler, struct lane *lane,
                              struct delivery *delivery) {
    if (delivery->due_at < lane->next_due)
        lane->next_due = delivery->due_at;
    loader_drop_payload(&scheduler->lanes.loader, &scheduler->policy.load, delivery);
    loader_drop_row(&scheduler->lanes.loader);
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

int scheduler_origin_limit(const struct scheduler *scheduler) {
    return slots_origin_limit(&scheduler->policy.slots);
}

static bool scheduler_origin_has_room(const struct scheduler *scheduler, const struct lane *lane,
                                      struct now now) {
    return origin_room(lane->origin, scheduler_origin_limit(scheduler), now.mono_ms) > 0;
}

/* Room beside what others claim. Otherwise who has just been served would take what they were
 * called for, and who is sooner ready what the next one loads for. */
static bool scheduler_origin_has_room_beside(const struct scheduler *scheduler,
                                             const struct lane *lane, struct now now) {
    int others = lane->origin->n_claims - lane_claims_room(lane);
    return origin_room(lane->origin, scheduler_origin_limit(scheduler), now.mono_ms) > others;
}

static void scheduler_settle_origin(struct scheduler *scheduler, struct origin *origin,
                                    struct now now) {
    lanes_settle_origin(&scheduler->lanes, origin, scheduler_origin_limit(scheduler), now.mono_ms);
}

static bool scheduler_blocks(const struct scheduler *scheduler, const struct lane *lane,
                             struct now now) {
    int64_t floor_ms = slots_overdue_floor_ms(&scheduler->slots, &scheduler->policy.slots);
    return lane_blocked(lane, &scheduler->policy.lane, floor_ms, now.mono_ms);
}

/* Its rows stay in memory unless the wait will be long, or they would be too many. */
static void scheduler_crowd(struct scheduler *scheduler, struct lane *lane, struct now now) {
    if (lane->origin->breaker.open_until > now.mono_ms ||
        loader_is_crowded(&scheduler->lanes.loader, &scheduler->policy.load))
        scheduler_unload(scheduler, lane);
    lanes_move(&scheduler->lanes, lane, LANE_CROWDED, 0);
}

/* Who comes to an origin where others wait goes behind them, unless it has been called already. */
static bool lane_must_queue(const struct lane *lane) {
    return !list_empty(&lane->origin->parked) && !lane_claims_room(lane);
}

/* The only function that decides a lane's state. `called`: its turn at its origin has come. */
static void scheduler_place(struct scheduler *scheduler, struct lane *lane, struct now now,
                            bool called) {
    if (lane->paused || scheduler->stopping) {
        scheduler_unload(scheduler, lane);
        lanes_move(&scheduler->lanes, lane, LANE_PAUSED, 0);
        return;
    }
    if (!lane->n_window && lane->load != LOAD_NONE) {
        lanes_move(&scheduler->lanes, lane, LANE_LOADING, 0);
        return;
    }
    if (!lane->n_window && lane->next_due == CLOCK_NEVER) {
        bool busy = lane->n_flying || lane->n_unwritten;
        lanes_move(&scheduler->lanes, lane, busy ? LANE_BLOCKED : LANE_IDLE, 0);
        return;
    }

    int64_t opens_at = lane_opens_at(lane, now);
    if (opens_at > now.mono_ms) {
        if (opens_at - now.mono_ms > UNLOAD_AFTER_MS)
            scheduler_unload(scheduler, lane);
        lanes_move(&scheduler->lanes, lane, LANE_WAITING, opens_at);
    } else if (scheduler_blocks(scheduler, lane, now)) {
        lanes_move(&scheduler->lanes, lane, LANE_BLOCKED, 0);
    } else if (!scheduler_origin_has_room_beside(scheduler, lane, now) ||
               (lane_must_queue(lane) && !called)) {
        scheduler_crowd(scheduler, lane, now);
    } else {
        /* A lane that comes back from idleness starts at the present, with no hoarded credit. */
        int64_t start =
            lane->virtual_ms > scheduler->virtual_ms ? lane->virtual_ms : scheduler->virtual_ms;
        lanes_move(&scheduler->lanes, lane, LANE_READY, start);
    }
}

static void scheduler_eval(struct scheduler *scheduler, struct lane *lane, struct now now) {
    scheduler_place(scheduler, lane, now, false);
    scheduler_settle_origin(scheduler, lane->origin, now);
}

/* Looks at a lane after something happened to it; a lane whose endpoint is gone ends here. */
static void scheduler_settle(struct scheduler *scheduler, struct lane *lane, struct now now) {
    scheduler_eval(scheduler, lane, now);
    if (lane->gone && !lane->n_flying && !lane->n_unwritten && lane->load != LOAD_SENT)
        lanes_remove(&scheduler->lanes, lane);
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
    lanes_init(&scheduler->lanes);
}

void scheduler_free(struct scheduler *scheduler) {
    lanes_free(&scheduler->lanes);
}

void scheduler_set_policy(struct scheduler *scheduler, const struct scheduler_policy *policy) {
    scheduler->policy = *policy;
}

void scheduler_stop(struct scheduler *scheduler) {
    struct lane *lane;
    scheduler->stopping = true;
    for (size_t cursor = 0; (lane = map_next(&scheduler->lanes.by_id, &cursor));)
        scheduler_eval(scheduler, lane, (struct now){0});
}

/* ---- news of the store ----------------------------------------------------------------------- */

/* A changed URL is another place: what was learned of the old one says nothing about it. */
static void scheduler_replace_endpoint(struct scheduler *scheduler, struct lane *lane,
                                       struct endpoint *endpoint) {
    bool moved = !endpoint_same_target(lane->endpoint, endpoint);
    if (moved) {
        concurrency_reset(&lane->concurrency);
        lane->breaker = (struct breaker){0};
        lane->hold_until = 0;
    }
    if (lane->endpoint->rate_limit != endpoint->rate_limit ||
        lane->endpoint->rate_burst != endpoint->rate_burst)
        lane->rate = (struct rate){0}; /* what the old limit put off is not due to the new one */
    endpoint_unref(lane->endpoint);
    lane->endpoint = endpoint;
    if (moved)
        lanes_change_origin(&scheduler->lanes, lane);
    /* Else what is known here may be newer than what was read. */
    if (moved || lane->paused) {
        lane->failing_since = endpoint->failing_since;
        lane->failing_moved = false;
    }
}

void scheduler_endpoint(struct scheduler *scheduler, struct endpoint *endpoint, int64_t next_due,
                        struct now now) {
    struct lane *lane = lanes_get(&scheduler->lanes, endpoint->id);
    if (lane)
        scheduler_replace_endpoint(scheduler, lane, endpoint);
    else
        lane = lanes_add(&scheduler->lanes, endpoint);
    lane->next_due = next_due;
    lane->paused = !endpoint->enabled || endpoint->locked;
    lane->gone = false;
    scheduler_unload(scheduler, lane); /* rows may have been cancelled */
    scheduler_eval(scheduler, lane, now);
}

void scheduler_endpoint_gone(struct scheduler *scheduler, int64_t endpoint_id) {
    struct lane *lane = lanes_get(&scheduler->lanes, endpoint_id);
    if (!lane)
        return;
    lane->paused = lane->gone = true;
    scheduler_settle(scheduler, lane, (struct now){0});
}

bool scheduler_noticed(struct scheduler *scheduler, int64_t endpoint_id, int64_t due_at,
                       struct now now) {
    struct lane *lane = lanes_get(&scheduler->lanes, endpoint_id);
    if (!lane)
        return false;
    if (due_at < lane->next_due) {
        lane->next_due = due_at;
        scheduler_eval(scheduler, lane, now);
    }
    return true;
}

/* The first row of an ordered lane may have been tried before a restart, and still have to wait. */
static void scheduler_resume_order(struct lane *lane, struct now now) {
    struct list *link = list_first(&lane->window);
    if (!link || !lane->endpoint->ordered)
        return;
    int64_t wait_ms = container_of(link, struct delivery, link)->retry_at - now.wall_ms;
    if (lane->hold_until < now.mono_ms + wait_ms)
        lane->hold_until = now.mono_ms + wait_ms;
}

static void scheduler_take_rows(struct scheduler *scheduler, struct lane *lane,
                                struct delivery *const *rows, int count) {
    for (int i = 0; i < count; i++) {
        rows[i]->lane = lane;
        list_push(&lane->window, &rows[i]->link);
        lane->n_window++;
        loader_take(&scheduler->lanes.loader, &scheduler->policy.load, rows[i]);
    }
}

/* A lane that loads, or has older rows, gets them in their order by its own loads only. */
static bool scheduler_wants_offer(const struct scheduler *scheduler, const struct lane *lane,
                                  struct delivery *const *rows, int count) {
    int64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += (int64_t)rows[i]->payload_bytes;
    bool idle = lane->state == LANE_IDLE || lane->state == LANE_BLOCKED;
    return idle && lane->load == LOAD_NONE && !lane->n_window && lane->next_due > rows[0]->due_at &&
           loader_may_take(&scheduler->lanes.loader, &scheduler->policy.load, count, bytes);
}

bool scheduler_offered(struct scheduler *scheduler, int64_t endpoint_id,
                       struct delivery *const *rows, int count, int64_t next_due, struct now now) {
    struct lane *lane = lanes_get(&scheduler->lanes, endpoint_id);
    bool wanted = lane && scheduler_wants_offer(scheduler, lane, rows, count);
    if (wanted) {
        scheduler_take_rows(scheduler, lane, rows, count);
        lane->next_due = next_due;
        scheduler_eval(scheduler, lane, now);
    } else if (lane && lane->load == LOAD_SENT && rows[0]->due_at < lane->missed_due) {
        lane->missed_due = rows[0]->due_at; /* the load may not have seen them */
    }
    return wanted;
}

void scheduler_loaded(struct scheduler *scheduler, int64_t endpoint_id,
                      struct delivery *const *rows, int count, int64_t next_due, int64_t need_bytes,
                      struct now now) {
    struct lane *lane = lanes_get(&scheduler->lanes, endpoint_id);
    loader_answered(&scheduler->lanes.loader, &scheduler->policy.load, lane);
    lane->need_bytes = need_bytes;

    scheduler_take_rows(scheduler, lane, rows, count);
    if (!lane->drop_load || next_due < lane->next_due)
        lane->next_due = next_due;
    if (lane->missed_due < lane->next_due)
        lane->next_due = lane->missed_due;
    lane->missed_due = CLOCK_NEVER;
    if (lane->drop_load)
        scheduler_unload(scheduler, lane);
    lane->drop_load = false;
    scheduler_resume_order(lane, now);
    scheduler_settle(scheduler, lane, now);
}

void scheduler_written(struct scheduler *scheduler, struct delivery *delivery, int64_t due_at,
                       struct now now) {
    struct lane *lane = delivery->lane;
    lane->n_unwritten--;
    scheduler->slots.n_unwritten--;
    loader_drop_row(&scheduler->lanes.loader);
    if (due_at < lane->next_due)
        lane->next_due = due_at;
    delivery_free(delivery);
    scheduler_settle(scheduler, lane, now);
}

void scheduler_forgotten(struct scheduler *scheduler) {
    scheduler->n_forgetting--;
}

/* Drops the lanes that have been idle longest, when there are too many: their URLs may never be
 * seen again. What is lost is what was learned of them. */
static void scheduler_drop_idle(struct scheduler *scheduler) {
    struct lanes *lanes = &scheduler->lanes;
    while (lanes->n_idle > scheduler->policy.max_idle && scheduler->n_forgetting < FORGETTING_MAX) {
        struct lane *lane = container_of(list_first(&lanes->idle), struct lane, link);
        int64_t endpoint_id = lane->endpoint_id;
        lanes_remove(lanes, lane);
        scheduler->n_forgetting++;
        scheduler->ops->forget(scheduler->context, endpoint_id);
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The call leaves its slots: the lane's, its origin's, and the one of all. `outcome` is NULL for a
 * call that was given up. */
static struct origin_news scheduler_land(struct scheduler *scheduler, struct delivery *delivery,
                                         const struct outcome *outcome, struct now now) {
    struct origin_news news = {0};
    if (outcome)
        news = origin_learn(delivery->origin, &scheduler->policy.lane.breaker,
                            delivery->endpoint_id, outcome, now.mono_ms, &scheduler->random);
    lanes_land(&scheduler->lanes, delivery->origin, scheduler_origin_limit(scheduler), now.mono_ms);
    list_remove(&delivery->link);
    delivery->lane->n_flying--;
    scheduler->slots.n_flying--;
    loader_drop_payload(&scheduler->lanes.loader, &scheduler->policy.load, delivery);
    delivery_free_payload(delivery);
    if (delivery->unproven)
        scheduler->slots.n_unproven--;
    return news;
}

static int64_t charge_ms(int64_t took_ms) {
    return took_ms < CHARGE_LEAST_MS ? CHARGE_LEAST_MS : took_ms;
}

/* The call was charged in advance for what it was expected to take; now the truth is known. How
 * long it waited for its worker is nothing that its receiver could help. */
static void scheduler_charge(struct scheduler *scheduler, struct delivery *delivery,
                             const struct outcome *outcome) {
    struct lane *lane = delivery->lane;
    int64_t debt_max = scheduler->virtual_ms + DEBT_MAX_MS;
    lane->virtual_ms += charge_ms(outcome->duration_ms) - delivery->charged_ms;
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
    decision->retry_at = decision->due_at;
    decision->due_at = delivery->due_at;
    lane->hold_until = now.mono_ms + (decision->retry_at - now.wall_ms);
    scheduler_unload(scheduler, lane);
}

struct completion scheduler_completed(struct scheduler *scheduler, struct delivery *delivery,
                                      const struct outcome *outcome, struct now now) {
    struct lane *lane = delivery->lane;
    struct completion completion = {
        .origin = scheduler_land(scheduler, delivery, outcome, now),
    };
    lane->n_unwritten++;
    scheduler->slots.n_unwritten++;
    scheduler_charge(scheduler, delivery, outcome);
    /* A call to a URL that has been replaced meanwhile says nothing of the new one. */
    bool same_target = endpoint_same_target(delivery->endpoint, lane->endpoint);
    if (same_target)
        completion.news =
            lane_learn(lane, &scheduler->policy.lane, outcome, delivery->sent_at,
                       scheduler->policy.retry.retry_after_max_ms, now, &scheduler->random);
    if (outcome->verdict != VERDICT_DELIVERED)
        completion.decision = scheduler_decide(scheduler, delivery, outcome, now);
    bool gone = outcome->verdict == VERDICT_GONE && lane->endpoint->name && same_target;
    bool again = outcome->verdict != VERDICT_DELIVERED && completion.decision.fate == RETRY_AGAIN;
    completion.disable_endpoint = gone || completion.news.failed_too_long;
    lane->paused = lane->paused || completion.disable_endpoint;
    /* Of one that is gone the row keeps its place anyway. */
    if (lane->endpoint->ordered && again && !gone)
        scheduler_hold_order(scheduler, delivery, &completion.decision, now);

    scheduler_eval(scheduler, lane, now);
    return completion;
}

void scheduler_aborted(struct scheduler *scheduler, struct delivery *delivery) {
    scheduler_land(scheduler, delivery, NULL, (struct now){0});
    loader_drop_row(&scheduler->lanes.loader);
    delivery_free(delivery);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

/* Room for one more in the unproven ones' share of the slots. */
static bool scheduler_unproven_room(const struct scheduler *scheduler) {
    return slots_have_unproven_room(&scheduler->slots, &scheduler->policy.slots,
                                    scheduler->lanes.n_reserved);
}

static bool scheduler_has_slot(const struct scheduler *scheduler) {
    return slots_have_room(&scheduler->slots, &scheduler->policy.slots);
}

static int lane_rows_wanted(const struct scheduler *scheduler, const struct lane *lane,
                            struct now now) {
    int limit = lane_limit(lane, &scheduler->policy.lane, now.mono_ms);
    int want = 2 * limit - lane->n_flying - lane->n_window;
    if (lane->need_bytes)
        return 1; /* the bytes are for that one row, or for one row if it was cancelled */
    return want < 1 ? 1 : want > LOAD_ROWS_MAX ? LOAD_ROWS_MAX : want;
}

static void scheduler_load(struct scheduler *scheduler, struct lane *lane, struct now now) {
    loader_ask(&scheduler->lanes.loader, &scheduler->policy.load, lane,
               lane_rows_wanted(scheduler, lane, now));
    scheduler->ops->load(scheduler->context, lane->endpoint_id, lane->load_rows, lane->load_bytes);
}

static void scheduler_run_loads(struct scheduler *scheduler, struct now now) {
    struct lane *lane;
    while ((lane = loader_next(&scheduler->lanes.loader, &scheduler->policy.load))) {
        list_remove(&lane->link);
        scheduler_load(scheduler, lane, now);
    }
}

static void scheduler_prefetch(struct scheduler *scheduler, struct lane *lane, struct now now) {
    bool low = lane->n_window < lane_limit(lane, &scheduler->policy.lane, now.mono_ms) / 2;
    /* Not before those that have nothing at all: the first of them may wait for much room. */
    if (low && list_empty(&scheduler->lanes.loader.usual) && lane->load == LOAD_NONE &&
        lane->next_due <= now.wall_ms && lane->state != LANE_PAUSED &&
        lane->state != LANE_WAITING &&
        loader_has_room(&scheduler->lanes.loader, &scheduler->policy.load, lane))
        scheduler_load(scheduler, lane, now);
}

static struct delivery *lane_pop(struct lane *lane) {
    struct list *link = list_pop(&lane->window);
    lane->n_window--;
    return container_of(link, struct delivery, link);
}

static void scheduler_expire(struct scheduler *scheduler, struct lane *lane,
                             struct delivery *delivery, struct now now) {
    loader_drop_payload(&scheduler->lanes.loader, &scheduler->policy.load, delivery);
    delivery_free_payload(delivery);
    lane->n_unwritten++;
    scheduler->slots.n_unwritten++;
    scheduler->ops->expire(scheduler->context, delivery);
    scheduler_eval(scheduler, lane, now);
}

static void scheduler_send(struct scheduler *scheduler, struct lane *lane,
                           struct delivery *delivery, struct now now) {
    if (lane->virtual_ms > scheduler->virtual_ms)
        scheduler->virtual_ms = lane->virtual_ms;
    delivery->charged_ms = charge_ms(concurrency_expected_ms(&lane->concurrency));
    lane->virtual_ms = scheduler->virtual_ms + delivery->charged_ms;
    rate_take(&lane->rate, lane->endpoint->rate_limit, now.mono_ms);

    lanes_reserve(&scheduler->lanes, lane, false);
    delivery->endpoint = endpoint_ref(lane->endpoint); /* given back by delivery_free() */
    delivery->origin = lane->origin;
    delivery->origin->n_flying++;
    delivery->sent_at = now.mono_ms;
    delivery->unproven = !lane->concurrency.proven;
    list_push(&lane->flying, &delivery->link);
    lane->n_flying++;
    scheduler->slots.n_flying++;
    scheduler->slots.n_unproven += delivery->unproven;
    scheduler->ops->send(scheduler->context, delivery);

    scheduler_eval(scheduler, lane, now);
    scheduler_prefetch(scheduler, lane, now);
}

/* Serves the ready lane that used least. Gates may have moved while it was queued, so they are
 * asked once more. */
static void scheduler_serve(struct scheduler *scheduler, struct lane *lane, struct now now) {
    if (lane_opens_at(lane, now) > now.mono_ms || scheduler_blocks(scheduler, lane, now)) {
        scheduler_eval(scheduler, lane, now);
    } else if (!scheduler_origin_has_room(scheduler, lane, now)) {
        scheduler_crowd(scheduler, lane, now);
        scheduler_settle_origin(scheduler, lane->origin, now);
    } else if (!lane->concurrency.proven && !lane->reserved &&
               !scheduler_unproven_room(scheduler)) {
        scheduler_unload(scheduler, lane); /* rows of the many that wait would fill the memory */
        lanes_move(&scheduler->lanes, lane, LANE_PARKED, 0);
        scheduler_settle_origin(scheduler, lane->origin, now);
    } else if (!lane->n_window) {
        lanes_reserve(&scheduler->lanes, lane, !lane->concurrency.proven);
        lanes_move(&scheduler->lanes, lane, LANE_LOADING, 0);
        scheduler_settle_origin(scheduler, lane->origin, now);
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
    while ((node = heap_first(&scheduler->lanes.timers)) && node->key <= now.mono_ms)
        scheduler_eval(scheduler, container_of(node, struct lane, node), now);
    while ((node = heap_first(&scheduler->lanes.origin_timers)) && node->key <= now.mono_ms)
        scheduler_settle_origin(scheduler, container_of(node, struct origin, node), now);
}

/* Calls as many of the lanes that wait at an origin as there is room for. */
static void scheduler_call_crowded(struct scheduler *scheduler, struct now now) {
    struct list *link;
    while ((link = list_first(&scheduler->lanes.roomy))) {
        struct origin *origin = container_of(link, struct origin, link);
        struct lane *lane = container_of(list_first(&origin->parked), struct lane, link);
        scheduler_place(scheduler, lane, now, true);
        scheduler_settle_origin(scheduler, origin, now);
    }
}

static bool scheduler_may_unpark(const struct scheduler *scheduler) {
    return !list_empty(&scheduler->lanes.parked) && scheduler_unproven_room(scheduler);
}

/* The ready lane that used least, or NULL. While the unproven ones' share has a free slot, the
 * lanes that wait longest for one look again, until one of them is ready for it. */
static struct heap_node *scheduler_next(struct scheduler *scheduler, struct now now) {
    bool ready = false;
    scheduler_call_crowded(scheduler, now);
    while (!ready && scheduler_may_unpark(scheduler)) {
        struct lane *lane = container_of(list_first(&scheduler->lanes.parked), struct lane, link);
        scheduler_eval(scheduler, lane, now);
        ready = lane->state == LANE_READY;
    }
    return heap_first(&scheduler->lanes.ready);
}

bool scheduler_run(struct scheduler *scheduler, struct now now, int budget) {
    struct heap_node *node = NULL;
    if (scheduler->stopping)
        return false;
    scheduler_run_timers(scheduler, now);
    while (scheduler_has_slot(scheduler) && budget-- > 0 && (node = scheduler_next(scheduler, now)))
        scheduler_serve(scheduler, container_of(node, struct lane, node), now);
    scheduler_run_loads(scheduler, now);
    scheduler_drop_idle(scheduler);
    return scheduler_has_slot(scheduler) &&
           (heap_first(&scheduler->lanes.ready) || scheduler_may_unpark(scheduler) ||
            !list_empty(&scheduler->lanes.roomy));
}

int64_t scheduler_wake_at(const struct scheduler *scheduler) {
    struct heap_node *lane = heap_first(&scheduler->lanes.timers);
    struct heap_node *origin = heap_first(&scheduler->lanes.origin_timers);
    int64_t lane_at = lane ? lane->key : CLOCK_NEVER;
    int64_t origin_at = origin ? origin->key : CLOCK_NEVER;
    return lane_at < origin_at ? lane_at : origin_at;
}

void scheduler_clock_moved(struct scheduler *scheduler, int64_t moved_ms, struct now now) {
    struct lane *lane;
    for (size_t cursor = 0; (lane = map_next(&scheduler->lanes.by_id, &cursor));) {
        lane_clock_moved(lane, moved_ms, now);
        if (lane->state == LANE_WAITING)
            scheduler_eval(scheduler, lane, now);
    }
}
