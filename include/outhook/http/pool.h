#ifndef OUTHOOK_HTTP_POOL_H
#define OUTHOOK_HTTP_POOL_H

/*
 * A fixed pool of workers. Calls to one origin go to the same worker, where its connections are
 * warm, unless that one has far more to do than the others. Before a call goes to a worker, its
 * URL is parsed and its host looked up here, so that a worker never waits for a name. All
 * functions are for the owner's thread.
 */

#include "outhook/runtime/task_group.h"

#include <stdbool.h>
#include <stdint.h>

struct http_call;
struct pool;

struct pool_settings {
    int workers, max_in_flight; /* calls, over all workers */
    int max_lookups;
    int64_t lookup_cache_ms;
    void (*wake)(
        void *context); /* any thread: there is something for pool_turn() and pool_receive() */
    void *context;
};

/* A pool whose workers are added to `group`. */
struct pool *pool_new(struct task_group *group, const struct pool_settings *settings);

/* Frees a pool whose tasks have ended, and calls that nobody took back. NULL is fine. */
void pool_free(struct pool *pool);

/* Starts a call; it comes back from pool_receive(). */
void pool_send(struct pool *pool, struct http_call *call);

/* Goes on with calls whose hosts have been looked up, or have not in time. */
void pool_turn(struct pool *pool, int64_t now_mono_ms);

/* Wakes the workers for the calls that were sent since the last time; to be called after them. */
void pool_ring(struct pool *pool);

/* A call may be about to come: pool_ring() then also wakes the workers that have none under way and
 * have had one lately, so that they have everything at hand. */
void pool_expect(struct pool *pool);

/* When pool_turn() is due even if nothing wakes the owner; CLOCK_NEVER: not. */
int64_t pool_wake_at(const struct pool *pool);

/* Gives up the calls that wait for a lookup, which come back aborted, and lets go of lookups under
 * way: they call `wake` no more when this returns. Nothing may be sent after it. */
void pool_stop_lookups(struct pool *pool);

/* The cache of lookups from now on. */
void pool_set_lookup_cache(struct pool *pool, int64_t cache_ms);

/* Takes back up to `most` calls with their outcomes, and returns how many. */
int pool_receive(struct pool *pool, struct http_call **calls, int most);

/* Whether every worker's loop has turned since the last call of this function; asks them to turn.
 */
bool pool_alive(struct pool *pool);

#endif
