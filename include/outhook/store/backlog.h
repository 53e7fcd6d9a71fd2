#ifndef OUTHOOK_STORE_BACKLOG_H
#define OUTHOOK_STORE_BACKLOG_H

/*
 * The backlog by endpoint, for people: what holds endpoints up, and how old what waits is.
 *
 * Everything is copied out before it returns. Times are ms since 1970; 0 stands for NULL.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

/* ---- what holds endpoints up ----------------------------------------------------------------- */

enum { BACKLOG_COUNT_MAX = 10000 }; /* pending rows of an endpoint are counted up to here */

struct backlog_held {
    int64_t endpoint_id;
    char *label; /* its name, or else its URL */
    char *gate;  /* a word of GATES, or "disabled" */
    char *text;  /* the same for people, with the time or the numbers in it */
    int64_t until_at, in_flight, max_in_flight;
    int64_t pending;    /* BACKLOG_COUNT_MAX + 1: or more */
    int64_t created_at; /* of the delivery that is due first */
};

struct backlog_held_list {
    struct backlog_held *rows; /* those whose first delivery has waited longest come first */
    size_t count;
    int64_t total; /* with those that `limit` left out */
};

/* Reads up to `limit` endpoints that have something pending and are held up: those that are
 * disabled, and, when a daemon runs, those of which it says so. Freed with
 * backlog_held_free(). */
int backlog_held_read(struct database *database, bool daemon_runs, int64_t limit,
                      struct backlog_held_list *list, struct error *error) must_check;

void backlog_held_free(struct backlog_held_list *list);

/* ---- how old it is --------------------------------------------------------------------------- */

enum { SHAPE_BUCKETS = 10, SHAPE_FIRST_MS = 5 * 60 * 1000 };

struct shape_row {
    int64_t endpoint_id;
    char *label;
    int64_t total;
    /* By age: up to 5 minutes, up to 10, 20, 40 … 2560; the last one is all that is older. */
    int64_t ages[SHAPE_BUCKETS + 1];
};

struct shape {
    struct shape_row all;
    struct shape_row *rows; /* an endpoint each, the largest first */
    size_t count;
};

/* Counts the deliveries of a status (one of its words) by endpoint and age (since they were
 * created). Walks over them once, in parts, so that it never keeps the daemon from emptying its log
 * for long. Freed with shape_free(). */
int shape_read(struct database *database, const char *status, int64_t now_wall_ms,
               struct shape *shape, struct error *error) must_check;

void shape_free(struct shape *shape);

#endif
