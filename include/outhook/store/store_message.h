#ifndef OUTHOOK_STORE_STORE_MESSAGE_H
#define OUTHOOK_STORE_STORE_MESSAGE_H

/*
 * What the store is asked for, and what it answers. Whoever holds a message owns it with all that
 * is in it.
 */

#include "outhook/store/queue.h"
#include "outhook/store/retention.h"
#include "outhook/store/writer.h"

#include <stdint.h>

struct delivery;
struct endpoint;
struct seal_keys;
struct store_request;

enum store_request_kind {
    STORE_LOAD,    /* endpoint_id, rows, bytes; answered by STORE_LOADED */
    STORE_RELEASE, /* write.delivery_id: the row was not sent; no answer. refused: it was offered */
    STORE_WRITE,   /* write, delivery; answered by STORE_WRITTEN */
    STORE_FORGET,  /* endpoint_id: not known to the requester any more; answered by STORE_FORGOTTEN
                    */
    STORE_REFRESH, /* endpoint_id: answered by STORE_ENDPOINT, or STORE_ENDPOINT_GONE if it was told
                    */
    STORE_GATES,   /* gates, gate_count: for people to see; answered by STORE_GATES_WRITTEN */
    STORE_LIMITS,  /* max_pending, max_payload_bytes, retain; no answer */
    STORE_KEYS,    /* keys: count from now on; no answer */
};

enum store_reply_kind {
    STORE_OPENED,   /* all endpoints that need a lane have been told of */
    STORE_ENDPOINT, /* endpoint, due_at: a new one, or an edited one, or one with edited rows */
    STORE_ENDPOINT_GONE, /* endpoint_id */
    STORE_HEADS_UP,      /* somebody writes: new rows may be about to come */
    STORE_NOTICED,       /* endpoint_id, due_at: new rows */
    STORE_OFFERED, /* endpoint_id, due_at, load: new rows, of which some are loaded already; they
                      are taken, or given back by STORE_RELEASE */
    STORE_LOADED,  /* endpoint_id, load */
    STORE_GATES_WRITTEN, /* request: NULL; or the one that could not be carried out without waiting
                          */
    STORE_FORGOTTEN,     /* endpoint_id: new rows will bring STORE_ENDPOINT again */
    STORE_WRITTEN,       /* request: the one that was carried out */
};

struct store_reply {
    enum store_reply_kind kind;
    int64_t endpoint_id, due_at;
    struct endpoint *endpoint;
    struct queue_load *load; /* owned; large, so that only those that bring rows have one */
    struct store_request *request; /* owned; of STORE_WRITTEN, the one that the reply is a part of */
};

struct store_request {
    enum store_request_kind kind;
    int64_t endpoint_id;
    int rows;
    int64_t bytes;
    int64_t max_pending, max_payload_bytes;
    struct retention_settings retain;
    bool refused;
    struct seal_keys *keys;    /* owned, and wiped */
    struct gate_change *gates; /* owned */
    int gate_count;
    struct delivery *delivery; /* given back with the answer */
    struct write write;
    struct store_reply written; /* the answer to STORE_WRITE, which so takes no memory of its own */
};

/* A request, all zero but for its kind. */
struct store_request *store_request_new(enum store_request_kind kind);

/* Frees a request with what is still in it. */
void store_request_free(struct store_request *request);

/* Frees a reply with what is still in it. */
void store_reply_free(struct store_reply *reply);

#endif
