#ifndef OUTHOOK_DELIVERY_SCHEDULER_H
#define OUTHOOK_DELIVERY_SCHEDULER_H

/*
 * Decides which delivery is sent next, and when none is.
 *
 * One lane an endpoint; the rows stay on disk and are loaded a handful at a time. Lanes that must
 * wait sit in one timer heap, lanes that could send in one ready heap ordered by the slot-time that
 * they have used (start-time fair queueing: a lane whose calls hold a slot for 30 s pays for that).
 * No endpoint can hurt another: one slot until it has answered, half of all slots for all such
 * together, no new call while an old one is overdue, a learned limit and a breaker each.
 *
 * It does no I/O and reads no clock: `now` is an argument, and what is to be done goes out through
 * scheduler_ops. So the same code runs in the daemon and under a virtual clock. One thread.
 *
 * Bounds: calls under way never exceed max_in_flight, nor these and outcomes not yet written
 * max_in_flight + max_unwritten, so a store that can't write stops the dispatch; rows and payload
 * bytes in memory stay within the loader's. A payload larger than the half of max_bytes travels
 * with no other large one.
 */

#include "outhook/base/clock.h"
#include "outhook/base/random.h"
#include "outhook/delivery/lane.h"
#include "outhook/delivery/lanes.h"
#include "outhook/delivery/outcome.h"
#include "outhook/delivery/retry.h"
#include "outhook/delivery/slots.h"

#include <stdbool.h>
#include <stdint.h>

struct delivery;
struct endpoint;

/* What the scheduler asks for. Each is called with scheduler.context, and may not call back. */
struct scheduler_ops {
    /* Read up to `rows` due rows of an endpoint, in order, with at most `bytes` of payload;
     * answered by scheduler_loaded(). */
    void (*load)(void *context, int64_t endpoint_id, int rows, int64_t bytes);
    /* Make the call; answered by scheduler_completed(), or scheduler_aborted(). */
    void (*send)(void *context, struct delivery *delivery);
    /* Write that the delivery has expired; answered by scheduler_written(). */
    void (*expire)(void *context, struct delivery *delivery);
    /* The lane was dropped, and its endpoint has to be read again before it is used; answered by
     * scheduler_forgotten(). */
    void (*forget)(void *context, int64_t endpoint_id);
    /* Forget a loaded row, which stays pending on disk, and free it. */
    void (*release)(void *context, struct delivery *delivery);
};

struct scheduler_policy {
    struct slots_policy slots;
    int max_idle; /* lanes of bare URLs that are kept while they have nothing to do */
    struct loader_policy load;
    struct lane_policy lane;
    struct retry_policy retry; /* its schedule must outlive the scheduler, or the next policy */
};

/* What follows from a call's end. */
struct completion {
    struct retry_decision decision; /* meaningless after VERDICT_DELIVERED */
    bool disable_endpoint;          /* one with a name: 410, or failures for too long */
    struct lane_news news;
    struct origin_news origin;
};

struct scheduler {
    const struct scheduler_ops *ops;
    void *context;
    struct scheduler_policy policy;
    struct random random;
    struct lanes lanes;
    int64_t virtual_ms; /* of the lane that was served last */
    struct slots slots;
    int n_forgetting; /* dropped lanes that the store has yet to hear of */
    bool stopping;
};

/* Starts empty. `ops` and `context` must outlive it. */
void scheduler_init(struct scheduler *scheduler, const struct scheduler_ops *ops, void *context,
                    const struct scheduler_policy *policy, uint64_t seed);

/* Frees all lanes, and every delivery that is still in a lane. */
void scheduler_free(struct scheduler *scheduler);

/* Replaces the policy; it holds from the next decision on. */
void scheduler_set_policy(struct scheduler *scheduler, const struct scheduler_policy *policy);

/* An endpoint was read: a new one, or new settings, or changed rows. Takes over the reference.
 * `next_due` is the wall ms of its earliest pending row, CLOCK_NEVER without one. */
void scheduler_endpoint(struct scheduler *scheduler, struct endpoint *endpoint, int64_t next_due,
                        struct now now);

/* The endpoint's row is gone. */
void scheduler_endpoint_gone(struct scheduler *scheduler, int64_t endpoint_id);

/* New rows of an endpoint, the earliest due at `due_at`. False when the endpoint is not known: it
 * has to be read first. */
bool scheduler_noticed(struct scheduler *scheduler, int64_t endpoint_id, int64_t due_at,
                       struct now now);

/* New rows that were loaded without having been asked for, as scheduler_loaded() says: an endpoint
 * that has nothing older on disk takes them, and is spared the load. False: it doesn't, and they
 * stay the caller's, who gives them back to the store and then calls scheduler_noticed(). */
bool scheduler_offered(struct scheduler *scheduler, int64_t endpoint_id,
                       struct delivery *const *rows, int count, int64_t next_due, struct now now);

/* The answer to a load: `count` rows in order, whose ownership passes; `next_due` of the first row
 * that is neither here nor loaded before (CLOCK_NEVER: none); `need_bytes` more than 0 when that
 * row was left out because its payload alone is larger than what was allowed. */
void scheduler_loaded(struct scheduler *scheduler, int64_t endpoint_id,
                      struct delivery *const *rows, int count, int64_t next_due, int64_t need_bytes,
                      struct now now);

/* A dropped lane is forgotten. */
void scheduler_forgotten(struct scheduler *scheduler);

/* A call has ended. The delivery stays in memory, without its payload, until scheduler_written().
 */
struct completion scheduler_completed(struct scheduler *scheduler, struct delivery *delivery,
                                      const struct outcome *outcome, struct now now);

/* A call was given up at a stop: nothing is written. Frees the delivery. */
void scheduler_aborted(struct scheduler *scheduler, struct delivery *delivery);

/* The store has written what became of a delivery, which is freed; `due_at` is CLOCK_NEVER unless
 * the row is pending again. */
void scheduler_written(struct scheduler *scheduler, struct delivery *delivery, int64_t due_at,
                       struct now now);

/* Sends and loads whatever may be sent and loaded now, at most `budget` sends. True when it ended
 * for the budget's sake and wants to be called again at once. */
bool scheduler_run(struct scheduler *scheduler, struct now now, int budget);

/* The most calls under way at once to one origin, see slots_origin_limit(). */
int scheduler_origin_limit(const struct scheduler *scheduler);

/* The mono ms at which scheduler_run() should be called next if nothing else happens. */
int64_t scheduler_wake_at(const struct scheduler *scheduler);

/* The wall clock was set, by so much: everything that waits for a due time is looked at again. */
void scheduler_clock_moved(struct scheduler *scheduler, int64_t moved_ms, struct now now);

/* Sends and loads nothing from now on, and gives back what was loaded. */
void scheduler_stop(struct scheduler *scheduler);

#endif
