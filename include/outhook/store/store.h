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
#include "outhook/store/queue.h"
#include "outhook/store/writer.h"

#include <stdbool.h>
#include <stdint.h>

struct delivery;
struct endpoint;
struct store;

struct store_settings {
    const char *path; /* must outlive the store */
    int64_t cache_bytes;
    int64_t max_pending, max_payload_bytes;
    int max_requests; /* the most requests that are ever unanswered */
};

enum store_request_kind {
    STORE_LOAD,    /* endpoint_id, rows, bytes; answered by STORE_LOADED */
    STORE_RELEASE, /* write.delivery_id: the row was not sent; no answer */
    STORE_WRITE,   /* write, delivery; answered by STORE_WRITTEN */
    STORE_FORGET,  /* endpoint_id: not known to the requester any more; answered by STORE_FORGOTTEN
                    */
    STORE_REFRESH, /* endpoint_id: answered by STORE_ENDPOINT, or STORE_ENDPOINT_GONE if it was told
                    */
    STORE_GATES,   /* gates, gate_count: for people to see; answered by STORE_GATES_WRITTEN */
    STORE_LIMITS,  /* max_pending, max_payload_bytes; no answer */
};

struct store_request {
    enum store_request_kind kind;
    int64_t endpoint_id;
    int rows;
    int64_t bytes;
    int64_t max_pending, max_payload_bytes;
    struct gate_change *gates; /* owned */
    int gate_count;
    struct delivery *delivery; /* given back with the answer */
    struct write write;
};

enum store_reply_kind {
    STORE_OPENED,   /* all endpoints that need a lane have been told of */
    STORE_ENDPOINT, /* endpoint, due_at: a new one, or an edited one, or one with edited rows */
    STORE_ENDPOINT_GONE, /* endpoint_id */
    STORE_NOTICED,       /* endpoint_id, due_at: new rows */
    STORE_LOADED,        /* endpoint_id, load */
    STORE_GATES_WRITTEN, /* request: NULL; or the one that could not be carried out without waiting
                          */
    STORE_FORGOTTEN,     /* endpoint_id: new rows will bring STORE_ENDPOINT again */
    STORE_WRITTEN,       /* request: the one that was carried out */
};

struct store_reply {
    enum store_reply_kind kind;
    int64_t endpoint_id, due_at;
    struct endpoint *endpoint;
    struct queue_load load;
    struct store_request *request;
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

/* Takes a reply, or NULL. The reply is the caller's: store_reply_free(). Owner's thread. */
struct store_reply *store_receive(struct store *store);

/* Frees a reply with what is still in it. */
void store_reply_free(struct store_reply *reply);

/* Frees a request with what is still in it. */
void store_request_free(struct store_request *request);

/* From now on the store waits for no lock and no space: what it can't write at once is left out,
 * and delivered again some day. For a stop that may take no longer. Any thread. */
void store_give_up_waiting(struct store *store);

/* A number that grows while the store's thread is alive and well. Any thread. */
uint64_t store_heartbeat(struct store *store);

#endif
