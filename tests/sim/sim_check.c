/*
 * What must hold, and when it is looked at:
 *
 *   each step    the sums and bounds: calls, unproven calls, unwritten outcomes, loads, rows and
 *                bytes in memory; the lanes that the step touched, in full, and one lane more, in
 *                turns; nothing ready that has a slot, no timer in the past
 *   each Nth     all lanes in full, and their sums against the scheduler's (--check-every N; 1 is
 *                every step)
 *   each edge    a row is handed out once, under way once, ends once (sim.c, sim_store.c)
 */

#include "sim.h"

#include "outhook/delivery/endpoint.h"

static int list_length(const struct list *list) {
    int length = 0;
    for (const struct list *link = list->next; link != list; link = link->next)
        length++;
    return length;
}

/* A lane is in the container of its state and in no other. */
static void check_container(struct sim *sim, const struct lane *lane) {
    const struct heap *heap = lane->state == LANE_WAITING ? &sim->scheduler.lanes.timers
                              : lane->state == LANE_READY ? &sim->scheduler.lanes.ready
                                                          : NULL;
    bool listed = lane->state == LANE_PARKED || lane->state == LANE_CROWDED ||
                  (lane->state == LANE_IDLE && !lane->endpoint->name) || lane->load == LOAD_QUEUED;
    sim_assert(sim, (lane->node.place != 0) == (heap != NULL));
    if (heap)
        sim_assert(sim, heap->nodes[lane->node.place - 1] == &lane->node);
    sim_assert(sim, !list_empty(&lane->link) == listed);
}

static void check_state(struct sim *sim, const struct lane *lane) {
    if (lane->load == LOAD_QUEUED)
        sim_assert(sim, lane->state == LANE_LOADING);
    if (lane->state == LANE_LOADING)
        sim_assert(sim, lane->load != LOAD_NONE);
    if (lane->state == LANE_BLOCKED) /* something of its own will wake it */
        sim_assert(sim, lane->n_flying || lane->n_unwritten);
    if (lane->state == LANE_IDLE)
        sim_assert(sim, !lane->n_window && !lane->n_flying && !lane->n_unwritten &&
                            lane->next_due == CLOCK_NEVER);
    if (lane->state == LANE_PAUSED)
        sim_assert(sim, !lane->n_window);
    sim_assert(sim, (lane->state == LANE_PAUSED) == lane->paused);
}

/* The mirror of the disk, while nothing is on its way that would change it. */
static void check_mirror(struct sim *sim, const struct site *site, const struct lane *lane) {
    struct heap_node *first = heap_first(&site->rows);
    int64_t truth = first ? first->key : CLOCK_NEVER;
    if (site->messages)
        return;
    if (site->retold) /* told of rows that were handed out: too early, which a load corrects */
        sim_assert(sim, lane->next_due <= truth);
    else
        sim_assert(sim, lane->next_due == truth);
}

static void check_lane(struct sim *sim, const struct site *site) {
    const struct lane *lane = lanes_get(&sim->scheduler.lanes, site->id);
    if (!lane)
        return;
    int most = site->max_in_flight ? site->max_in_flight : sim->policy.lane.endpoint_max_in_flight;
    check_container(sim, lane);
    check_state(sim, lane);
    check_mirror(sim, site, lane);
    sim_assert(sim, list_length(&lane->window) == lane->n_window);
    sim_assert(sim, list_length(&lane->flying) == lane->n_flying);
    sim_assert(sim, lane->n_flying == site->calls);
    sim_assert(sim, site->calls <= most && site->calls <= sim->policy.lane.share_max);
    int limit = lane_limit(lane, &sim->policy.lane, sim->now.mono_ms);
    sim_assert(sim, limit >= 1 && limit <= most);
    sim_assert(sim, lane->concurrency.limit_q8 >= 256);
}

static void check_sums(struct sim *sim) {
    const struct scheduler *scheduler = &sim->scheduler;
    const struct scheduler_policy *policy = &sim->policy;
    sim_assert(sim, scheduler->slots.n_flying == sim->n_calls);
    sim_assert(sim, scheduler->slots.n_unproven == sim->n_unproven);
    sim_assert(sim, scheduler->slots.n_unwritten == sim->n_unwritten);
    sim_assert(sim, scheduler->lanes.loader.n_loads == sim->n_loads);
    sim_assert(sim, scheduler->lanes.loader.n_rows == sim->n_loaded);
    sim_assert(sim, scheduler->lanes.loader.bytes == sim->bytes_loaded);
    sim_assert(sim, sim->n_calls <= policy->slots.max_in_flight);
    sim_assert(sim, sim->n_calls + sim->n_unwritten <=
                        policy->slots.max_in_flight + policy->slots.max_unwritten);
    sim_assert(sim, sim->n_unproven <= (policy->slots.max_in_flight + 1) / 2);
    sim_assert(sim, sim->n_loaded <= policy->load.max_rows);
    sim_assert(sim, sim->bytes_loaded <= policy->load.max_bytes);
}

/* An origin whose lanes wait is found when one of them may go. */
static void check_origin(struct sim *sim, const struct origin *origin) {
    const struct lanes *lanes = &sim->scheduler.lanes;
    bool waits = !list_empty(&origin->parked);
    bool open = origin->breaker.open_until > sim->now.mono_ms;
    sim_assert(sim, origin->n_flying <= scheduler_origin_limit(&sim->scheduler));
    sim_assert(sim, origin->n_lanes > 0 || origin->n_flying > 0);
    if (!waits)
        sim_assert(sim, list_empty(&origin->link) && !origin->node.place);
    if (origin->node.place)
        sim_assert(sim, lanes->origin_timers.nodes[origin->node.place - 1] == &origin->node);
    if (waits && open)
        sim_assert(sim, origin->node.place);
    if (waits && !open && !origin->node.place && list_empty(&origin->link))
        sim_assert(sim, origin_room(origin, scheduler_origin_limit(&sim->scheduler),
                                    sim->now.mono_ms) <= origin->n_claims);
}

/* Every origin, and what they add up to. */
static void check_origins(struct sim *sim, const int *states) {
    const struct lanes *lanes = &sim->scheduler.lanes;
    const struct origin *origin;
    int n_lanes = 0, n_flying = 0, n_claims = 0, crowded = 0;
    for (size_t cursor = 0; (origin = map_next(&lanes->origins, &cursor));) {
        check_origin(sim, origin);
        n_lanes += origin->n_lanes;
        n_flying += origin->n_flying;
        n_claims += origin->n_claims;
        crowded += list_length(&origin->parked);
    }
    sim_assert(sim, (size_t)n_lanes == lanes->by_id.count);
    sim_assert(sim, n_flying == sim->scheduler.slots.n_flying);
    sim_assert(sim, n_claims == states[LANE_READY] + states[LANE_LOADING]);
    sim_assert(sim, crowded == states[LANE_CROWDED]);
}

/* Every lane, and what they add up to. */
static void check_all(struct sim *sim) {
    const struct scheduler *scheduler = &sim->scheduler;
    int states[LANE_PAUSED + 1] = {0}, window = 0, flying = 0, unwritten = 0, asked = 0, queued = 0,
                             reserved = 0;
    for (int i = 0; i < sim->n_sites; i++) {
        const struct lane *lane = lanes_get(&scheduler->lanes, sim->sites[i].id);
        if (!lane)
            continue;
        check_lane(sim, &sim->sites[i]);
        states[lane->state]++;
        window += lane->n_window;
        flying += lane->n_flying;
        unwritten += lane->n_unwritten;
        asked += lane->load == LOAD_SENT ? lane->load_rows : 0;
        queued += lane->load == LOAD_QUEUED;
        reserved += lane->reserved;
    }
    sim_assert(sim, scheduler->lanes.timers.count == (size_t)states[LANE_WAITING]);
    sim_assert(sim, scheduler->lanes.ready.count == (size_t)states[LANE_READY]);
    sim_assert(sim, list_length(&scheduler->lanes.parked) == states[LANE_PARKED]);
    sim_assert(sim, list_length(&scheduler->lanes.loader.usual) +
                            list_length(&scheduler->lanes.loader.large) ==
                        queued);
    sim_assert(sim, scheduler->lanes.n_reserved == reserved);
    sim_assert(sim, sim->n_unproven + reserved <= (sim->policy.slots.max_in_flight + 1) / 2);
    check_origins(sim, states);
    sim_assert(sim, scheduler->slots.n_flying == flying);
    sim_assert(sim, scheduler->slots.n_unwritten == unwritten);
    sim_assert(sim, scheduler->lanes.loader.n_rows == asked + window + flying + unwritten);
}

static void note_memory(struct sim *sim) {
    sim->loaded_sum += sim->n_loaded;
    sim->bytes_sum += sim->bytes_loaded;
    if (sim->n_loaded > sim->loaded_most)
        sim->loaded_most = sim->n_loaded;
    if (sim->bytes_loaded > sim->bytes_most)
        sim->bytes_most = sim->bytes_loaded;
}

void sim_check(struct sim *sim) {
    note_memory(sim);
    if (!sim->options.check_every)
        return;
    check_sums(sim);
    for (int i = 0; i < sim->n_touched; i++)
        if (!i || sim->touched[i] != sim->touched[i - 1])
            check_lane(sim, sim->touched[i]);
    sim->next_checked = (sim->next_checked + 1) % sim->n_sites;
    check_lane(sim, &sim->sites[sim->next_checked]);
    if (sim->steps % sim->options.check_every == 0)
        check_all(sim);
}

void sim_check_ran(struct sim *sim) {
    const struct scheduler *scheduler = &sim->scheduler;
    if (!sim->options.check_every)
        return;
    bool slot = slots_have_room(&scheduler->slots, &sim->policy.slots);
    sim_assert(sim, scheduler_wake_at(scheduler) > sim->now.mono_ms);
    if (slot)
        sim_assert(sim, !scheduler->lanes.ready.count && list_empty(&scheduler->lanes.roomy));
    if (slot && !list_empty(&scheduler->lanes.parked)) /* only their share may hold them */
        sim_assert(sim, scheduler->slots.n_unproven + scheduler->lanes.n_reserved >=
                            (sim->policy.slots.max_in_flight + 1) / 2);
    if (!list_empty(&scheduler->lanes.loader.usual) ||
        !list_empty(
            &scheduler->lanes.loader.large)) /* something will come back and let them go on */
        sim_assert(sim, scheduler->lanes.loader.n_loads || scheduler->lanes.loader.n_rows ||
                            scheduler->lanes.loader.bytes);
}
