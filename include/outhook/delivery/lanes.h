#ifndef OUTHOOK_DELIVERY_LANES_H
#define OUTHOOK_DELIVERY_LANES_H

/*
 * All lanes, each in the container of its state, and the origins that they share. What state a lane
 * should be in is the scheduler's to decide; here is the one function that puts it there. One
 * thread.
 */

#include "outhook/base/heap.h"
#include "outhook/base/list.h"
#include "outhook/base/map.h"
#include "outhook/delivery/lane.h"
#include "outhook/delivery/loader.h"
#include "outhook/delivery/origin.h"

#include <stdbool.h>
#include <stdint.h>

struct endpoint;

struct lanes {
    struct map by_id;          /* endpoint id */
    struct map origins;        /* hash of the origin */
    struct heap timers;        /* WAITING, by the mono ms of the wake-up */
    struct heap ready;         /* READY, by slot-time used */
    struct list idle;          /* IDLE and without a name, longest first */
    struct list parked;        /* PARKED, longest first */
    struct list roomy;         /* origins with CROWDED lanes and room for one of them */
    struct heap origin_timers; /* origins with CROWDED lanes, by the mono ms of their reopening */
    struct list moved;         /* lanes that changed their state since their gate was looked at */
    struct loader loader;      /* LOADING, if the load still waits for room */
    int n_idle;                /* in `idle` */
    int n_reserved; /* slots of the unproven ones' share that wait for a row to be loaded */
};

void lanes_init(struct lanes *lanes);

/* Frees all lanes, whatever is in them, and all origins. */
void lanes_free(struct lanes *lanes);

/* The lane of an endpoint, or NULL. */
struct lane *lanes_get(const struct lanes *lanes, int64_t endpoint_id);

/* Makes an IDLE lane; takes over the endpoint's reference. */
struct lane *lanes_add(struct lanes *lanes, struct endpoint *endpoint);

/* Takes a lane with an empty window, no call and no load under way out, and frees it. */
void lanes_remove(struct lanes *lanes, struct lane *lane);

/* Brings a lane under the origin of its endpoint, after that has changed. The lane is BLOCKED after
 * it, for the scheduler to look at again. */
void lanes_change_origin(struct lanes *lanes, struct lane *lane);

/* The only function that changes a lane's state: out of the old state's container, into the new
 * one's. `key` is the wake-up time of a WAITING lane (mono ms) and the order of a READY one. An
 * edge that the table of states does not have aborts in debug builds. */
void lanes_move(struct lanes *lanes, struct lane *lane, enum lane_state state, int64_t key);

/* Keeps a slot of the unproven ones' share for a lane whose row is being loaded, or gives it back.
 */
void lanes_reserve(struct lanes *lanes, struct lane *lane, bool reserved);

/* Looks at an origin after something happened there: whether one of its CROWDED lanes may be
 * called, or when. `most` is its limit of calls. */
void lanes_settle_origin(struct lanes *lanes, struct origin *origin, int most, int64_t now_mono_ms);

/* A call to an origin has ended; one that nobody needs any more is freed. */
void lanes_land(struct lanes *lanes, struct origin *origin, int most, int64_t now_mono_ms);

#endif
