#ifndef OUTHOOK_STORE_OVERVIEW_H
#define OUTHOOK_STORE_OVERVIEW_H

/*
 * The whole in numbers, for `outhook status`.
 */

#include "outhook/base/error.h"
#include "outhook/store/backlog.h"
#include "outhook/store/selection.h"
#include "outhook/store/setback.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

/* What can be looked at every second. */
struct glance {
    int64_t pending, max_pending;
    /* When the oldest pending one was created; 0: none. Of more than a hundred thousand, the oldest
     * among those that are due first at their endpoints. */
    int64_t oldest_pending_at;
    int64_t next_due_at; /* of pending ones of enabled endpoints; 0: none */
    bool daemon_runs;
    int64_t daemon_pid;       /* 0: not known */
    int64_t daemon_in_flight; /* calls, as it said about a second ago; -1: not known */
    struct setback setback; /* its failures in a row; a daemon that runs may be waiting for that */
};

int glance_read(struct database *database, struct glance *glance, struct error *error) must_check;

/* What the daemon tells of itself, without a look into the database. */
void glance_read_daemon(const struct database *database, struct glance *glance);

struct overview {
    struct glance glance;
    int64_t schema_version;
    int64_t statuses[SELECTION_STATUS_COUNT]; /* deliveries in each status */
    int64_t undelivered_webhooks; /* among the newest hundred thousand, those without a delivery */
    int64_t endpoints_enabled, endpoints_disabled;
    int64_t database_bytes, wal_bytes;
    struct backlog_held_list held;
};

/* Counts, at one point in time, with up to `held_limit` endpoints that are held up. Freed with
 * overview_free(). */
int overview_read(struct database *database, int64_t held_limit, struct overview *overview,
                  struct error *error) must_check;

void overview_free(struct overview *overview);

/* Whether a daemon holds the database's lock; *pid (may be NULL) becomes its process, 0 when that
 * is not known. Costs a look at a file. */
bool overview_daemon_runs(const struct database *database, int64_t *pid);

#endif
