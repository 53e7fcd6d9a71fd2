#ifndef OUTHOOK_SERVICE_DISPATCHER_H
#define OUTHOOK_SERVICE_DISPATCHER_H

/*
 * Joins scheduler, store and pool on the loop's thread: what the store reads goes to the scheduler,
 * what the scheduler sends goes to the pool, what comes back goes through the scheduler to the
 * store.
 *
 *      store ──endpoints, news, rows──▶ scheduler ──calls──▶ pool
 *        ▲                                  ▲                  │
 *        └──────────outcomes────────────────┴──────────────────┘
 */

#include "outhook/base/error.h"
#include "outhook/http/call.h"
#include "outhook/runtime/config.h"
#include "outhook/runtime/task_group.h"

#include <stdbool.h>
#include <uv.h>

struct dispatcher;
struct seal_keys;

/* Who wants to know, on the loop's thread. */
struct dispatcher_events {
    void (*opened)(void *context); /* the database is open and all lanes are known */
    void (*drained)(
        void *context); /* after dispatcher_drain(): nothing is under way or unwritten */
    void *context;
};

/* What is counted since the start, and what there is now. */
struct dispatcher_counts {
    uint64_t delivered, not_delivered;
    int in_flight, unwritten;
    int64_t pending;   /* in the database, when last looked at */
    int64_t oldest_at; /* wall ms at which the oldest of them was inserted; 0: there is none */
};

/* What calls may do, from the configuration; refuses settings that only the parts below understand
 * (networks, the secret). The caller gives the reference back. */
int dispatcher_http_policy(const struct config *config, struct http_policy **policy,
                           struct error *error) must_check;

/* Makes store and pool as tasks of `group`, and everything between them on `loop`. Takes over the
 * policy's reference; `config` must outlive the dispatcher, and `keys`, which seal the endpoints'
 * secrets, are copied. */
struct dispatcher *dispatcher_new(uv_loop_t *loop, struct task_group *group,
                                  const struct config *config, struct http_policy *policy,
                                  const struct seal_keys *keys,
                                  const struct dispatcher_events *events);

/* Frees it after the group has stopped and dispatcher_close() has been followed by the loop's end.
 */
void dispatcher_free(struct dispatcher *dispatcher);

/* Applies a configuration that was reloaded in place. Takes over the policy's reference. */
void dispatcher_reload(struct dispatcher *dispatcher, struct http_policy *policy,
                       const struct seal_keys *keys);

/* Starts nothing new, and tells when all that is under way has ended and been written. */
void dispatcher_drain(struct dispatcher *dispatcher);

/* From now on nothing may take long: locks and space are not waited for any more. */
void dispatcher_hurry(struct dispatcher *dispatcher);

/* Takes back what stopped workers gave up. After the workers' end and before the store's. */
void dispatcher_collect(struct dispatcher *dispatcher);

/* Whether the store and every worker have moved since the last call; asks them to. */
bool dispatcher_alive(struct dispatcher *dispatcher);

struct dispatcher_counts dispatcher_counts(struct dispatcher *dispatcher);

/* Closes its handles on the loop. */
void dispatcher_close(struct dispatcher *dispatcher);

#endif
