#ifndef OUTHOOK_STORE_QUEUE_H
#define OUTHOOK_STORE_QUEUE_H

/*
 * Reads what is to be delivered: endpoints, what is new, what is due.
 *
 * Loading a row writes nothing. Instead the queue remembers which rows it has handed out: a row is
 * handed out again only after its outcome has been committed, or after it was given back. So no row
 * is ever under way twice, and a row that is given back, or whose daemon dies, costs nothing.
 *
 * One thread: the store's.
 */

#include "outhook/base/error.h"
#include "outhook/base/map.h"

#include <stdbool.h>
#include <stdint.h>

struct database;
struct sqlite3_stmt;
struct delivery;
struct endpoint;
struct seal_keys;

enum { QUEUE_ROWS_MAX = 64, QUEUE_PAGE = 500 };

struct queue {
    struct database *database;
    const struct seal_keys *keys; /* that open secrets; NULL: none */
    struct map handed_out;        /* delivery ids */
    int64_t last_delivery_id;     /* everything up to here has been noticed */
    int64_t last_change_seq;      /* endpoint changes up to here have been noticed */
    struct sqlite3_stmt *endpoint, *secrets, *next_due, *due, *row, *fresh, *changes, *boot,
        *data_version, *begin, *end;
    bool reading; /* between queue_begin() and queue_end() */
};

/* Rows that were loaded for one lane. */
struct queue_load {
    struct delivery *rows[QUEUE_ROWS_MAX]; /* in order; the receiver's from here on */
    int count;
    int64_t next_due; /* of the first row that is neither here nor handed out; CLOCK_NEVER: none */
    int64_t need_bytes; /* the payload of that row, when it alone is larger than allowed; else 0 */
};

/* What has become due, or will, for one endpoint since the last look. */
struct queue_notice {
    int64_t endpoint_id;
    int64_t due_at; /* of the earliest new row */
    int rows;       /* how many are new */
};

/* Prepares the statements and marks everything that is there now as noticed. `keys` (may be NULL)
 * must outlive it, and may change. */
int queue_open(struct queue *queue, struct database *database, const struct seal_keys *keys,
               struct error *error) must_check;

void queue_close(struct queue *queue);

/* A number that differs from the last one whenever another connection has committed. */
int queue_version(struct queue *queue, int64_t *version, struct error *error) must_check;

/* The ids (at most QUEUE_PAGE) of the endpoints behind `after` that need a lane now: those with a
 * name, and those with something pending. */
int queue_endpoints(struct queue *queue, int64_t after, int64_t ids[QUEUE_PAGE], int *count,
                    struct error *error) must_check;

/* Reads one endpoint and the due time of its earliest pending row. *endpoint is the caller's; NULL
 * when there is no such row. */
int queue_endpoint(struct queue *queue, int64_t id, struct endpoint **endpoint, int64_t *next_due,
                   struct error *error) must_check;

/* The endpoints that people have changed since the last call (at most QUEUE_PAGE; more may follow).
 */
int queue_changes(struct queue *queue, int64_t ids[QUEUE_PAGE], int *count,
                  struct error *error) must_check;

/* The deliveries that are new since the last call, an entry an endpoint; *more when there are more.
 */
int queue_fresh(struct queue *queue, struct queue_notice notices[QUEUE_PAGE], int *count,
                bool *more, struct error *error) must_check;

/* Begins to read several things in one transaction, which costs less than one for each; again and
 * again. Nothing may be written until queue_end(). */
int queue_begin(struct queue *queue, struct error *error) must_check;
void queue_end(struct queue *queue);

/* Loads up to `rows` rows that are due at `now_wall_ms`, with at most `bytes` of payload. */
int queue_load(struct queue *queue, int64_t endpoint_id, int rows, int64_t bytes,
               int64_t now_wall_ms, struct queue_load *load, struct error *error) must_check;

/* A row was given back, or its outcome has been committed. */
void queue_forget(struct queue *queue, int64_t delivery_id);

#endif
