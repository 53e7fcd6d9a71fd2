#ifndef OUTHOOK_TESTS_SCHEDULER_CHECK_H
#define OUTHOOK_TESTS_SCHEDULER_CHECK_H

/*
 * What must hold for the scheduler after every step (model_check) and whenever it has run
 * (model_check_ran), and a driver that lets the model's time pass (model_go).
 */

#include "scheduler_model.h"

static inline int list_length(const struct list *list) {
    int length = 0;
    for (const struct list *link = list->next; link != list; link = link->next)
        length++;
    return length;
}

/* What the lanes' members add up to. */
struct recount {
    int states[LANE_PAUSED + 1], loads_queued, loads_sent;
    int window, flying, unwritten, unproven, reserved, loaded, large;
    int64_t bytes;
};

static inline bool check_is_large(const struct scheduler *scheduler, int64_t bytes) {
    int64_t half = scheduler->policy.load.max_bytes / 2;
    return bytes > (half < 256 << 10 ? half : 256 << 10);
}

static inline void recount_list(const struct scheduler *scheduler, const struct list *list,
                                struct lane *lane, int *count, struct recount *sums) {
    for (struct list *link = list->next; link != list; link = link->next) {
        const struct delivery *delivery = container_of(link, struct delivery, link);
        assert_ptr_equal(delivery->lane, lane);
        ++*count;
        sums->bytes += (int64_t)delivery->payload_bytes;
        sums->large += check_is_large(scheduler, (int64_t)delivery->payload_bytes);
        sums->unproven += list == &lane->flying && delivery->unproven;
    }
}

/* A lane is in the container of its state and in no other. */
static inline void check_container(const struct scheduler *scheduler, const struct lane *lane) {
    const struct heap *heap = lane->state == LANE_WAITING ? &scheduler->lanes.timers
                              : lane->state == LANE_READY ? &scheduler->lanes.ready
                                                          : NULL;
    bool listed = lane->state == LANE_PARKED || lane->state == LANE_CROWDED ||
                  (lane->state == LANE_IDLE && !lane->endpoint->name) || lane->load == LOAD_QUEUED;
    assert_int_equal(lane->node.place != 0, heap != NULL);
    if (heap)
        assert_ptr_equal(heap->nodes[lane->node.place - 1], &lane->node);
    assert_int_equal(!list_empty(&lane->link), listed);
}

static inline void check_lane(struct model *model, struct lane *lane, struct recount *sums) {
    const struct scheduler *scheduler = &model->scheduler;
    int window = 0, flying = 0;
    check_container(scheduler, lane);
    recount_list(scheduler, &lane->window, lane, &window, sums);
    recount_list(scheduler, &lane->flying, lane, &flying, sums);
    assert_int_equal(lane->n_window, window);
    assert_int_equal(lane->n_flying, flying);
    sums->states[lane->state]++;
    sums->window += window;
    sums->flying += flying;
    sums->unwritten += lane->n_unwritten;
    sums->loads_queued += lane->load == LOAD_QUEUED;
    if (lane->load == LOAD_SENT) {
        sums->loads_sent++;
        sums->loaded += lane->load_rows;
        sums->bytes += lane->load_bytes;
        sums->large += check_is_large(scheduler, lane->load_bytes);
    }
    sums->reserved += lane->reserved;

    if (lane->load == LOAD_QUEUED)
        assert_int_equal(lane->state, LANE_LOADING);
    if (lane->state == LANE_LOADING)
        assert_int_not_equal(lane->load, LOAD_NONE);
    if (lane->state == LANE_BLOCKED) /* something of its own will wake it */
        assert_true(lane->n_flying || lane->n_unwritten);
    if (lane->state == LANE_IDLE)
        assert_true(!window && !flying && !lane->n_unwritten && lane->next_due == CLOCK_NEVER);
    if (lane->state == LANE_PAUSED)
        assert_int_equal(window, 0);
    assert_int_equal(lane->state == LANE_PAUSED, lane->paused || scheduler->stopping);
    assert_in_range(lane->concurrency.limit_q8, 256, 1000 * 256);
}

static inline void check_idle(const struct scheduler *scheduler, const struct recount *sums) {
    assert_int_equal(list_length(&scheduler->lanes.idle), scheduler->lanes.n_idle);
    assert_in_range(scheduler->lanes.n_idle, 0, sums->states[LANE_IDLE]);
    assert_true(scheduler->n_forgetting >= 0);
}

static inline void check_sums(struct model *model, const struct recount *sums) {
    const struct scheduler *scheduler = &model->scheduler;
    const struct scheduler_policy *policy = &scheduler->policy;
    assert_int_equal(scheduler->lanes.timers.count, sums->states[LANE_WAITING]);
    assert_int_equal(scheduler->lanes.ready.count, sums->states[LANE_READY]);
    assert_int_equal(list_length(&scheduler->lanes.parked), sums->states[LANE_PARKED]);
    check_idle(scheduler, sums);
    assert_int_equal(list_length(&scheduler->lanes.loader.usual) +
                         list_length(&scheduler->lanes.loader.large),
                     sums->loads_queued);
    assert_int_equal(scheduler->lanes.n_reserved, sums->reserved);
    assert_int_equal(scheduler->lanes.loader.n_loads, sums->loads_sent);
    assert_int_equal(scheduler->slots.n_flying, sums->flying);
    assert_int_equal(scheduler->slots.n_flying, model->calls.count);
    assert_int_equal(scheduler->slots.n_unwritten, sums->unwritten);
    assert_int_equal(scheduler->slots.n_unproven, sums->unproven);
    assert_int_equal(scheduler->lanes.loader.n_rows,
                     sums->loaded + sums->window + sums->flying + sums->unwritten);
    assert_int_equal(scheduler->lanes.loader.bytes, sums->bytes);

    const struct slots_policy *slots = &policy->slots;
    assert_in_range(scheduler->slots.n_flying, 0, slots->max_in_flight);
    assert_in_range(scheduler->slots.n_flying + scheduler->slots.n_unwritten, 0,
                    slots->max_in_flight + slots->max_unwritten);
    assert_in_range(scheduler->slots.n_unproven, 0, (slots->max_in_flight + 1) / 2);
    assert_in_range(scheduler->lanes.loader.n_rows, 0, policy->load.max_rows);
    /* One half each; a payload larger than its half may come, but only as the only large one. */
    int64_t half = policy->load.max_bytes / 2;
    assert_true(scheduler->lanes.loader.bytes - scheduler->lanes.loader.bytes_large <= half);
    assert_true(scheduler->lanes.loader.bytes_large <= half || sums->large == 1);
}

/* No lane believes that its next row is due later than it is, but for what the store is just about
 * to tell. */
static inline void check_mirror(struct model *model) {
    if (!list_empty(&model->asked) || !list_empty(&model->told) || !list_empty(&model->fresh) ||
        model->scheduler.stopping)
        return;
    for (int i = 0; i < model->n_sites; i++) {
        const struct site *site = &model->sites[i];
        const struct lane *lane = lanes_get(&model->scheduler.lanes, site->id);
        const struct heap_node *first = heap_first(&site->rows);
        if (lane && first && !site->changed)
            assert_true(lane->next_due <= first->key);
    }
}

static inline void model_check(struct model *model) {
    struct recount sums = {0};
    struct lane *lane;
    for (size_t cursor = 0; (lane = map_next(&model->scheduler.lanes.by_id, &cursor));)
        check_lane(model, lane, &sums);
    check_sums(model, &sums);
    check_mirror(model);
}

/* After a run that did not end for its budget's sake nothing is left that could be done. */
static inline void model_check_ran(struct model *model) {
    const struct scheduler *scheduler = &model->scheduler;
    const struct scheduler_policy *policy = &scheduler->policy;
    const struct slots_policy *slots = &policy->slots;
    bool slot = scheduler->slots.n_flying < slots->max_in_flight &&
                scheduler->slots.n_flying + scheduler->slots.n_unwritten <
                    slots->max_in_flight + slots->max_unwritten;
    assert_true(scheduler_wake_at(scheduler) > model->now.mono_ms);
    if (slot)
        assert_int_equal(scheduler->lanes.ready.count, 0);
    if (slot && !list_empty(&scheduler->lanes.parked)) /* only their share may hold them */
        assert_true(scheduler->slots.n_unproven + scheduler->lanes.n_reserved >=
                    (slots->max_in_flight + 1) / 2);
    if (!list_empty(
            &scheduler->lanes.loader.usual)) /* something will come back and let them go on */
        assert_true(scheduler->lanes.loader.n_loads || scheduler->lanes.loader.n_rows ||
                    scheduler->lanes.loader.bytes);
}

static inline void model_run(struct model *model) {
    for (int turns = 0; scheduler_run(&model->scheduler, model->now, 256); turns++)
        assert_true(turns < 10000);
    model_check(model);
    if (!model->scheduler.stopping)
        model_check_ran(model);
}

/* Everything that can happen without time passing. */
static inline void model_settle(struct model *model) {
    int turns = 0;
    do {
        model_look(model);
        while (model_serve(model))
            ;
        model_commit(model);
        while (model_take(model))
            model_check(model);
        model_run(model);
        assert_true(turns++ < 10000); /* a circle */
    } while (!list_empty(&model->asked) || !list_empty(&model->told));
}

/* Lets `ms` pass: calls end when their site ends them, timers fire. */
static inline void model_go(struct model *model, int64_t ms) {
    int64_t until = model->now.mono_ms + ms;
    int idle_turns = 0;
    for (;;) {
        struct call *call;
        while ((call = model_first_call(model)) && call->node.key <= model->now.mono_ms) {
            model_complete(model, call);
            model_check(model);
            idle_turns = 0;
        }
        model_settle(model);
        int64_t next = scheduler_wake_at(&model->scheduler);
        if ((call = model_first_call(model)) && call->node.key < next)
            next = call->node.key;
        if (next > until)
            break;
        assert_true(idle_turns++ < 10000);
        if (next > model->now.mono_ms)
            idle_turns = 0;
        model->now.wall_ms += next - model->now.mono_ms;
        model->now.mono_ms = next;
    }
    model->now.wall_ms += until - model->now.mono_ms;
    model->now.mono_ms = until;
    model_settle(model);
}

static inline struct lane *site_lane(struct model *model, const struct site *site) {
    return lanes_get(&model->scheduler.lanes, site->id);
}

/* How many rows of a site have a status. */
static inline int site_count(struct model *model, const struct site *site, enum row_status status) {
    struct row *row;
    int count = 0;
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        count += row->site == site && row->status == status;
    return count;
}

#endif
