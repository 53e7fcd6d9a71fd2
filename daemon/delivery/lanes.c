#include "outhook/delivery/lanes.h"

#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include <assert.h>

void lanes_init(struct lanes *lanes) {
    *lanes = (struct lanes){0};
    list_init(&lanes->idle);
    list_init(&lanes->parked);
    list_init(&lanes->roomy);
    list_init(&lanes->moved);
    loader_init(&lanes->loader);
}

static void free_deliveries(struct list *list) {
    struct list *link;
    while ((link = list_pop(list)))
        delivery_free(container_of(link, struct delivery, link));
}

void lanes_free(struct lanes *lanes) {
    struct lane *lane;
    struct origin *origin;
    for (size_t cursor = 0; (lane = map_next(&lanes->by_id, &cursor));) {
        free_deliveries(&lane->window);
        free_deliveries(&lane->flying);
        lane_free(lane);
    }
    for (size_t cursor = 0; (origin = map_next(&lanes->origins, &cursor));)
        origin_free(origin);
    map_free(&lanes->by_id);
    map_free(&lanes->origins);
    heap_free(&lanes->timers);
    heap_free(&lanes->ready);
    heap_free(&lanes->origin_timers);
}

struct lane *lanes_get(const struct lanes *lanes, int64_t endpoint_id) {
    return map_get(&lanes->by_id, endpoint_id);
}

/* ---- origins --------------------------------------------------------------------------------- */

static void lanes_join_origin(struct lanes *lanes, struct lane *lane) {
    int64_t id = (int64_t)endpoint_origin_hash(lane->endpoint);
    struct origin *origin = map_get(&lanes->origins, id);
    if (!origin) {
        origin = origin_new(id);
        map_put(&lanes->origins, id, origin);
    }
    origin->n_lanes++;
    lane->origin = origin;
}

static void lanes_drop_origin(struct lanes *lanes, struct origin *origin) {
    if (origin->n_lanes || origin->n_flying)
        return;
    list_remove(&origin->link);
    heap_remove(&lanes->origin_timers, &origin->node);
    map_remove(&lanes->origins, origin->id);
    origin_free(origin);
}

static void lanes_leave_origin(struct lanes *lanes, struct lane *lane) {
    struct origin *origin = lane->origin;
    lane->origin = NULL;
    origin->n_lanes--;
    lanes_drop_origin(lanes, origin);
}

void lanes_change_origin(struct lanes *lanes, struct lane *lane) {
    lanes_move(lanes, lane, LANE_BLOCKED, 0);
    lanes_leave_origin(lanes, lane);
    lanes_join_origin(lanes, lane);
}

void lanes_settle_origin(struct lanes *lanes, struct origin *origin, int most,
                         int64_t now_mono_ms) {
    int64_t open_until = origin->breaker.open_until;
    list_remove(&origin->link);
    heap_remove(&lanes->origin_timers, &origin->node);
    if (list_empty(&origin->parked))
        return;
    if (open_until > now_mono_ms)
        heap_push(&lanes->origin_timers, &origin->node, open_until, origin->id);
    else if (origin_room(origin, most, now_mono_ms) > origin->n_claims)
        list_push(&lanes->roomy, &origin->link);
}

void lanes_land(struct lanes *lanes, struct origin *origin, int most, int64_t now_mono_ms) {
    origin->n_flying--;
    lanes_settle_origin(lanes, origin, most, now_mono_ms);
    lanes_drop_origin(lanes, origin);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

/* A name makes an endpoint one of those that were configured; of URLs there may be any number. */
static void lanes_list_idle(struct lanes *lanes, struct lane *lane) {
    if (lane->endpoint->name)
        return;
    list_push(&lanes->idle, &lane->link);
    lanes->n_idle++;
}

struct lane *lanes_add(struct lanes *lanes, struct endpoint *endpoint) {
    struct lane *lane = lane_new(endpoint);
    map_put(&lanes->by_id, endpoint->id, lane);
    lanes_join_origin(lanes, lane);
    lanes_list_idle(lanes, lane);
    return lane;
}

static void lanes_leave(struct lanes *lanes, struct lane *lane) {
    heap_remove(lane->state == LANE_READY ? &lanes->ready : &lanes->timers, &lane->node);
    if (lane->state == LANE_IDLE && !list_empty(&lane->link))
        lanes->n_idle--;
    list_remove(&lane->link);
    lane->origin->n_claims -= lane_claims_room(lane);
    if (lane->load == LOAD_QUEUED)
        lane->load = LOAD_NONE;
}

void lanes_remove(struct lanes *lanes, struct lane *lane) {
    lanes_leave(lanes, lane);
    list_remove(&lane->moved);
    lanes_leave_origin(lanes, lane);
    map_remove(&lanes->by_id, lane->endpoint_id);
    lane_free(lane);
}

void lanes_reserve(struct lanes *lanes, struct lane *lane, bool reserved) {
    lanes->n_reserved += reserved - lane->reserved;
    lane->reserved = reserved;
}

void lanes_move(struct lanes *lanes, struct lane *lane, enum lane_state state, int64_t key) {
    assert(lane_edge_allowed(lane->state, state));
    if (state == lane->state && (state == LANE_LOADING || state == LANE_CROWDED))
        return; /* it keeps its place in the line */
    lanes_leave(lanes, lane);
    if (state != LANE_READY && state != LANE_LOADING)
        lanes_reserve(lanes, lane, false);
    lane->state = state;
    lane->origin->n_claims += lane_claims_room(lane);
    if (list_empty(&lane->moved))
        list_push(&lanes->moved, &lane->moved);
    switch (state) {
    case LANE_WAITING:
        heap_push(&lanes->timers, &lane->node, key, lane->endpoint_id);
        break;
    case LANE_READY:
        heap_push(&lanes->ready, &lane->node, key, lane->endpoint_id);
        break;
    case LANE_LOADING:
        if (lane->load == LOAD_NONE)
            loader_queue(&lanes->loader, lane);
        break;
    case LANE_PARKED:
        list_push(&lanes->parked, &lane->link);
        break;
    case LANE_CROWDED:
        list_push(&lane->origin->parked, &lane->link);
        break;
    case LANE_IDLE:
        lanes_list_idle(lanes, lane);
        break;
    case LANE_BLOCKED:
    case LANE_PAUSED:
        break;
    }
}
