#ifndef OUTHOOK_DELIVERY_LANE_H
#define OUTHOOK_DELIVERY_LANE_H

/*
 * A lane: what the daemon knows of one endpoint. Its rows stay on disk; the lane knows when the
 * earliest of them is due, and holds the few that were loaded (the window) and those under way.
 *
 *             ┌────────┐  rows appear   ┌─────────┐  the gate opens
 *             │  IDLE  │───────────────▶│ WAITING │──────────┐
 *             └────────┘                └─────────┘          ▼
 *                  ▲                         ▲          ┌─────────┐  no row in memory  ┌─────────┐
 *     nothing left │          a gate closes  ├──────────│  READY  │───────────────────▶│ LOADING │
 *                  │                         │          └─────────┘◀───────────────────└─────────┘
 *             ┌─────────┐  a call ends, is   │            │  ▲ │  ▲       rows came
 *             │ BLOCKED │◀──written──────────┴────────────┘  │ │  │
 *             └─────────┘  all its slots are in use,         │ │  │ its origin has room again,
 *                          or a call is overdue              │ │  │ and its turn has come
 *                                       ┌────────┐  a slot   │ │  │       ┌─────────┐
 *             PAUSED: disabled          │ PARKED │──is free──┘ └──┴──────▶│ CROWDED │
 *             (from and to any state)   └────────┘                        └─────────┘
 *                                        unproven, and those              its origin has no room
 *                                        have their share                 or is left alone
 *
 * A lane is in the container of its state and in no other; lanes_move() is the only function
 * that changes the state. One thread.
 */

#include "outhook/base/clock.h"
#include "outhook/base/heap.h"
#include "outhook/base/list.h"
#include "outhook/delivery/breaker.h"
#include "outhook/delivery/concurrency.h"
#include "outhook/delivery/gate.h"
#include "outhook/delivery/outcome.h"
#include "outhook/delivery/rate.h"

#include <stdbool.h>
#include <stdint.h>

struct endpoint;
struct origin;

/* X(STATE, word, states it may go to) */
#define LANE_STATES(X)                                                                             \
    X(IDLE, "idle", L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(PAUSED))         \
    X(WAITING, "waiting",                                                                          \
      L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PAUSED))          \
    X(READY, "ready",                                                                              \
      L(IDLE) | L(READY) | L(WAITING) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PARKED) |         \
          L(PAUSED))                                                                               \
    X(LOADING, "loading",                                                                          \
      L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PAUSED))          \
    X(BLOCKED, "blocked",                                                                          \
      L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PAUSED))          \
    X(PARKED, "parked",                                                                            \
      L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PAUSED))          \
    X(CROWDED, "crowded",                                                                          \
      L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PAUSED))          \
    X(PAUSED, "paused",                                                                            \
      L(IDLE) | L(WAITING) | L(READY) | L(CROWDED) | L(BLOCKED) | L(LOADING) | L(PAUSED))

enum lane_state {
#define LANE_STATE_ENUM(name, word, edges) LANE_##name,
    LANE_STATES(LANE_STATE_ENUM)
#undef LANE_STATE_ENUM
};

enum lane_load { LOAD_NONE, LOAD_QUEUED, LOAD_SENT };

struct lane {
    struct endpoint *endpoint; /* a reference */
    int64_t endpoint_id;
    struct origin *origin; /* of the endpoint's URL */

    enum lane_state state;
    struct heap_node node; /* WAITING: in the timers; READY: in the ready heap */
    struct list link;      /* LOADING with a queued load, PARKED, CROWDED: in that line */

    struct list window; /* loaded and not sent, in (due_at, id) order */
    int n_window;
    struct list flying; /* under way, oldest first */
    int n_flying;
    int n_unwritten;     /* ended here, and not yet acknowledged by the store */
    int64_t answered_at; /* mono ms of the last answer, whatever it said */

    /* Due time (wall ms) of the earliest row that is on disk only; CLOCK_NEVER: none. A mirror of
     * the disk: replies of the store write it, and rows given back lower it, nothing else. */
    int64_t next_due;
    int64_t missed_due; /* of rows refused while a load was under way, which may not know of them */
    enum lane_load load;
    bool drop_load;     /* rows were given back while a load was under way: its answer is stale */
    int load_rows;      /* asked for by the load under way */
    int64_t load_bytes; /* allowed to it */
    int64_t need_bytes; /* the next payload is larger than usual: this is what it needs; else 0 */

    bool reserved; /* unproven, and promised a slot of the share while its row is loaded */
    bool paused, gone;
    int64_t
        hold_until; /* mono ms: the receiver asked for quiet, or an ordered lane waits to retry */
    struct rate rate;
    struct concurrency concurrency;
    struct breaker breaker;
    int64_t failing_since; /* wall ms of the first failure since the last success; 0: none */
    bool failing_moved;    /* that was moved along with the clock, and has yet to be written down */

    /* For people: what they were told holds it up, what was seen at the last look, and whether it
     * has moved since (then it is among those to look at). */
    struct gate gate_told, gate_seen;
    struct list moved;

    int64_t virtual_ms; /* slot-time used: who used least goes first */
};

struct lane_policy {
    int endpoint_max_in_flight;
    int share_max; /* of all slots, that one endpoint may have whatever its own limit; 0: all */
    struct breaker_policy breaker;
    int64_t disable_after_ms; /* of failures without one success; 0: never */
};

/* What the lane learned from a call's end, for the log. */
struct lane_news {
    bool breaker_opened, breaker_closed;
    bool failing_began, failing_ended; /* failing_since has changed, which is worth writing down */
    bool failed_too_long;              /* for disable_after_ms: it is to be disabled */
    int64_t failing_ms, failing_since;
};

/* A new lane for a snapshot, whose reference it takes over. */
struct lane *lane_new(struct endpoint *endpoint);

/* The wall clock was set, by so much. How long the lane has failed does not change by that. */
void lane_clock_moved(struct lane *lane, int64_t moved_ms, struct now now);

/* Frees a lane with an empty window and no call under way. */
void lane_free(struct lane *lane);

/* The state's word. */
const char *lane_state_name(enum lane_state state);

/* Whether a lane may go from one state to the other. */
bool lane_edge_allowed(enum lane_state from, enum lane_state to);

/* Whether a lane keeps room for a call at its origin: it was called when there was some, and may
 * have to load what it sends. */
bool lane_claims_room(const struct lane *lane);

/* The most calls under way at once that this lane may have now. */
int lane_limit(const struct lane *lane, const struct lane_policy *policy, int64_t now_mono_ms);

/* The mono ms from which on the lane's gates (Retry-After, breaker, rate, the next row's due time)
 * let the next call through. */
int64_t lane_opens_at(const struct lane *lane, struct now now);

/* Whether the lane has to wait for its own calls before it may send another one. `floor_ms`: the
 * least age at which a call is overdue. */
bool lane_blocked(const struct lane *lane, const struct lane_policy *policy, int64_t floor_ms,
                  int64_t now_mono_ms);

/* Learns from a call's end: the limit, the breaker, the hold asked for by Retry-After. `sent_at` is
 * the call's mono ms, `hold_max_ms` the longest hold. */
struct lane_news lane_learn(struct lane *lane, const struct lane_policy *policy,
                            const struct outcome *outcome, int64_t sent_at, int64_t hold_max_ms,
                            struct now now, struct random *random);

#endif
