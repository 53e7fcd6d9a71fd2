#ifndef OUTHOOK_HTTP_WORKER_H
#define OUTHOOK_HTTP_WORKER_H

/*
 * A worker: one thread with one libuv loop and one curl multi handle, which makes many calls at
 * once.
 *
 * Calls come in through a bounded channel; each goes out, with its outcome, through a channel that
 * all workers share. libcurl says which sockets it wants watched and when it wants to be called;
 * libuv does that. Nothing in here waits but the loop itself.
 */

#include "outhook/runtime/channel.h"
#include "outhook/runtime/task_group.h"

#include <stdint.h>

struct http_call;
struct worker;

/* A worker that has not started. It has room for `capacity` calls, and keeps at most
 * `connections` open, idle ones included; `done` must have room for all
 * calls of all workers, and outlive it. */
struct worker *worker_new(int number, int capacity, int connections, struct channel *done);

/* Frees a worker whose task has ended. NULL is fine. */
void worker_free(struct worker *worker);

/* The worker as a task for a group. Stopping gives up the calls under way: they come back aborted.
 */
struct task_definition worker_task(struct worker *worker);

/* Hands a call over, which begins once worker_ring() is called after it; it comes back through `done`. Never finds the channel full as long as there
 * are no more than `capacity` calls. A call that comes after the end comes back aborted at once.
 * Owner's thread. */
void worker_send(struct worker *worker, struct http_call *call);

void worker_ring(struct worker *worker);

/* A call may be about to come: the worker wakes, and has set one up by then, unless it has others.
 * Any thread. */
void worker_expect(struct worker *worker);

/* A number that grows while the worker's loop turns; worker_nudge() makes it turn. Any thread. */
uint64_t worker_heartbeat(struct worker *worker);
void worker_nudge(struct worker *worker);

#endif
