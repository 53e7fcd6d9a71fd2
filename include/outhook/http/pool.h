#ifndef OUTHOOK_HTTP_POOL_H
#define OUTHOOK_HTTP_POOL_H

/*
 * A fixed pool of workers. Calls to one origin go to the same worker, where its connections are
 * warm, unless that one has far more to do than the others. All functions are for the owner's
 * thread.
 */

#include "outhook/runtime/task_group.h"

#include <stdbool.h>
#include <stdint.h>

struct http_call;
struct pool;

/* A pool for at most `max_in_flight` calls; its workers are added to `group`. `wake` is called, on
 * any thread, when there are calls to take back. */
struct pool *pool_new(struct task_group *group, int workers, int max_in_flight,
                      void (*wake)(void *context), void *context);

/* Frees a pool whose tasks have ended, and calls that nobody took back. NULL is fine. */
void pool_free(struct pool *pool);

/* Starts a call; it comes back from pool_receive(). */
void pool_send(struct pool *pool, struct http_call *call);

/* Takes back up to `most` calls with their outcomes, and returns how many. */
int pool_receive(struct pool *pool, struct http_call **calls, int most);

/* Whether every worker's loop has turned since the last call of this function; asks them to turn.
 */
bool pool_alive(struct pool *pool);

#endif
