#ifndef OUTHOOK_STORE_SWEEP_H
#define OUTHOOK_STORE_SWEEP_H

/*
 * Deletes what is old, a slice at a time: looks at a few hundred rows of a table in the order of
 * their ids, without a lock, and deletes those that are old enough in one transaction that ends
 * after a few milliseconds.
 *
 * Old rows are found by walking over ids, as these grow with time, and not by an index on the time
 * of their end: that would be one more to write with each outcome. Whether a row may go is decided
 * by its own times, and looked at again when it is deleted. One thread: the store's.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct database;
struct sqlite3_stmt;

/* Wall ms: what has ended before that may go. 0 keeps all. */
struct sweep_horizons {
    int64_t delivered;
    int64_t failed;   /* expired and cancelled ones, too */
    int64_t attempts; /* of deliveries that stay; counted from their start */
};

/* Where a walk is, and what a slice found there. */
struct sweep_walk {
    int64_t after;     /* ids up to here have been dealt with */
    int64_t old_until; /* of the slice's rows, those up to this id were created before a horizon */
    bool young;        /* none was */
    bool met_young;    /* not all were */
    bool end;          /* nothing lies behind the slice */
};

/* A set of endpoints, one bit each. Starts as {0}. */
struct sweep_marks {
    uint8_t *bits;
    int64_t count; /* of bits */
};

struct sweep {
    struct database *database;
    struct sqlite3_stmt *deliveries, *delivery, *attempts_of, *webhook, *attempts, *attempt,
        *webhooks;
    struct sweep_marks *marks; /* of the slice under way, or NULL */
    int64_t deliveries_deleted, attempts_deleted, webhooks_deleted; /* so far */
};

int sweep_open(struct sweep *sweep, struct database *database, struct error *error) must_check;

void sweep_close(struct sweep *sweep);

/* Deletes finished deliveries with their attempts, and each webhook with its last delivery. Marks
 * the endpoints of all rows that it meets (`marks` may be NULL). Like the next two, moves the walk
 * on; ERROR_BUSY when another process holds the write lock, ERROR_FULL when there is no space:
 * nothing was deleted then, and the walk stands where it was. */
int sweep_deliveries(struct sweep *sweep, const struct sweep_horizons *horizons,
                     struct sweep_walk *walk, struct sweep_marks *marks,
                     struct error *error) must_check;

/* Deletes attempts. */
int sweep_attempts(struct sweep *sweep, const struct sweep_horizons *horizons,
                   struct sweep_walk *walk, struct error *error) must_check;

/* Deletes webhooks that have no delivery, because no endpoint subscribed to their type, or because
 * a person has deleted them. */
int sweep_webhooks(struct sweep *sweep, const struct sweep_horizons *horizons,
                   struct sweep_walk *walk, struct error *error) must_check;

void sweep_mark(struct sweep_marks *marks, int64_t endpoint_id);
bool sweep_is_marked(const struct sweep_marks *marks, int64_t endpoint_id);
void sweep_marks_free(struct sweep_marks *marks);

#endif
