#ifndef OUTHOOK_STORE_ACTIVITY_H
#define OUTHOOK_STORE_ACTIVITY_H

/*
 * What has been going on between two looks, by endpoint, for people who watch. A look walks over
 * the attempts that are new since the one before, and no read transaction stays open in between.
 *
 * One thread. Times are ms since 1970; 0 stands for NULL.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

/* One endpoint's attempts. */
struct activity_row {
    int64_t endpoint_id;
    int64_t delivered, failed; /* attempts */
    int64_t duration_ms;       /* of all of them together */
    int64_t longest_ms;
    char *error; /* of the last that failed; NULL when none did */
};

struct activity_page {
    struct activity_row *rows;
    size_t count;
    int64_t enqueued; /* webhooks */
    int64_t left_out; /* attempts, when there were too many to look at */
};

/* At most so many attempts are looked at, the newest. */
enum { ACTIVITY_ATTEMPTS_MAX = 1000000 };

struct activity {
    struct database *database;
    int64_t attempt_id, webhook_id; /* the newest that were looked at */
};

/* Begins: what is there already is not news. */
int activity_open(struct activity *activity, struct database *database,
                  struct error *error) must_check;

/* Reads what is new. Freed with activity_page_free(). */
int activity_read(struct activity *activity, struct activity_page *page,
                  struct error *error) must_check;

void activity_page_free(struct activity_page *page);

/* ---- an endpoint as it stands ---------------------------------------------------------------- */

struct activity_endpoint {
    char *label;               /* its name, or else its URL; NULL when it is gone */
    char *held_up;             /* that it is disabled, or what the daemon says; else NULL */
    int64_t pending;           /* BACKLOG_COUNT_MAX + 1: or more */
    int64_t oldest_created_at; /* of the one that is due first */
};

/* Reads one. What a daemon wrote counts only while it runs. Freed with activity_endpoint_free(). */
int activity_endpoint(struct database *database, int64_t endpoint_id, bool daemon_runs,
                      struct activity_endpoint *endpoint, struct error *error) must_check;

void activity_endpoint_free(struct activity_endpoint *endpoint);

#endif
