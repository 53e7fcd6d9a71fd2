#ifndef OUTHOOK_STORE_STORE_H
#define OUTHOOK_STORE_STORE_H

/*
 * The store: the one thread that reads and writes the database for the daemon.
 *
 * Requests come in through one bounded channel and replies go out through another, in the order in
 * which they were carried out, so that whoever mirrors the disk's state from them is never
 * overtaken. The requester never waits; the store does, when nobody takes its replies.
 *
 * What can't be written now (another process holds the write lock, the disk is full) is kept and
 * tried again until it can be, and so no request is answered meanwhile: the requester's slots stay
 * taken and it stops sending by itself. A failing disk or a damaged database ends the store, and
 * with it the daemon.
 */

#include "outhook/base/error.h"
#include "outhook/runtime/channel.h"
#include "outhook/runtime/task_group.h"
#include "outhook/store/retention.h"
#include "outhook/store/store_message.h"

#include <stdbool.h>
#include <stdint.h>

struct seal_keys;
struct store;
struct vitals;

struct store_settings {
    const char *path; /* must outlive the store */
    int64_t cache_bytes;
    int64_t max_pending, max_payload_bytes;
    struct retention_settings retain;
    int max_requests;             /* the most requests that are ever unanswered */
    bool heads_ups;               /* somebody's beginning to write is told */
    bool offers;                  /* new rows may be loaded before they are asked for */
    struct vitals *vitals;        /* kept up to date; NULL: nobody wants them */
    const struct seal_keys *keys; /* that seal and open secrets; copied. NULL: none */
};

/* A store that has not started. Its thread opens (and creates, and migrates) the database. `wake`
 * is called when there are replies to take. */
struct store *store_new(const struct store_settings *settings, void (*wake)(void *context),
                        void *context);

/* Frees a store whose task has ended. NULL is fine. */
void store_free(struct store *store);

/* The store as a task for a group. Stopping carries out all requests and empties the log first. */
struct task_definition store_task(struct store *store);

/* Hands a request over; it is the store's from here on. Never waits, and never finds the channel
 * full as long as max_requests holds. After the store has failed the request is freed. Owner's
 * thread. */
void store_send(struct store *store, struct store_request *request);

/* Wakes the store for what was sent since the last time. Owner's thread. */
void store_ring(struct store *store);

/* Takes a reply, or NULL. The reply is the caller's: store_reply_free(). Owner's thread. */
struct store_reply *store_receive(struct store *store);

/* From now on the store waits for no lock and no space: what it can't write at once is left out,
 * and delivered again some day. For a stop that may take no longer. Any thread. */
void store_give_up_waiting(struct store *store);

/* A number that grows while the store's thread is alive and well: in a few seconds, or soon after a
 * nudge. Any thread. */
uint64_t store_heartbeat(struct store *store);

/* Wakes the store's thread, which may sleep for seconds when there is nothing to do. Any thread. */
void store_nudge(struct store *store);

#endif
