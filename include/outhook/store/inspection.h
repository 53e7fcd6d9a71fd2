#ifndef OUTHOOK_STORE_INSPECTION_H
#define OUTHOOK_STORE_INSPECTION_H

/*
 * Reading what the database knows, for people. Everything is copied out before it returns: no read
 * transaction stays open while somebody pages through the output, for that would keep the daemon's
 * checkpoints from finishing.
 *
 * Times are ms since 1970; 0 stands for NULL, as it does for the numbers of rows and status codes.
 */

#include "outhook/base/error.h"
#include "outhook/store/selection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

/* ---- deliveries ------------------------------------------------------------------------------ */

struct delivery_facts {
    int64_t id, webhook_id, endpoint_id;
    char *status;
    bool held; /* it waits until it is released, whatever due_at says */
    int64_t attempts, attempts_before;
    int64_t due_at, expires_at, created_at, finished_at;
    int64_t last_status_code;
    char *last_error;
    int64_t last_duration_ms; /* -1: none */
    char *uid, *type;         /* of its webhook */
    char *endpoint;           /* its name, or else its URL; NULL when it is gone */
};

struct delivery_page {
    struct delivery_facts *rows; /* newest first */
    size_t count;
};

/* Reads the newest `limit` deliveries of a selection whose id is less than `before_id` (INT64_MAX:
 * the newest at all). Freed with delivery_page_free(). */
int inspection_list(struct database *database, const struct selection *selection, int64_t before_id,
                    int64_t limit, struct delivery_page *page, struct error *error) must_check;

void delivery_page_free(struct delivery_page *page);

/* ---- one delivery's story -------------------------------------------------------------------- */

struct webhook_facts {
    int64_t id;
    char *uid, *type, *method, *content_type, *dedup_key;
    char *headers; /* JSON, on one line */
    int64_t deliver_at, expires_at, created_at;
    char *payload; /* its first bytes */
    size_t payload_kept;
    int64_t payload_bytes;
};

struct endpoint_facts {
    int64_t id; /* 0: it is gone */
    char *name, *url, *disabled_reason;
    bool enabled, ordered;
    int64_t disabled_at;
};

struct attempt_facts {
    int64_t number;
    char *verdict, *phase;
    int64_t started_at, duration_ms, status_code;
    char *error, *remote_address, *response_headers;
    char *response_body; /* its first bytes */
    size_t response_body_kept;
    int64_t response_body_bytes;
};

struct delivery_story {
    struct delivery_facts delivery;
    struct webhook_facts webhook;
    struct endpoint_facts endpoint;
    bool earlier_pending; /* the endpoint is ordered, and an earlier delivery of it is pending */
    bool daemon_runs;
    char *held_up; /* what holds the endpoint up, in words, as a running daemon says; else NULL */
    struct attempt_facts *attempts;
    size_t attempt_count;
};

/* Reads a delivery with all that belongs to it, at one point in time. At most `bytes` of the
 * payload and of each answer's body are read. Freed with delivery_story_free(). */
int inspection_story(struct database *database, int64_t delivery_id, int64_t bytes,
                     struct delivery_story *story, struct error *error) must_check;

void delivery_story_free(struct delivery_story *story);

#endif
