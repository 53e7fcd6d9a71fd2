#ifndef OUTHOOK_STORE_PRODUCER_H
#define OUTHOOK_STORE_PRODUCER_H

/*
 * Enqueueing a webhook: the same INSERT that any program may do, judged by the same triggers, whose
 * sentence comes back when they refuse it.
 */

#include "outhook/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct database;

struct producer_header {
    const char *name, *value;
};

/* What to send. NULL or 0 leaves a column to its default. */
struct producer_webhook {
    const char *type, *endpoint, *url;
    const char *method, *content_type, *dedup_key;
    const struct producer_header *headers;
    size_t header_count;
    const void *payload; /* stored as text when it is UTF-8 without a NUL, else as a blob */
    size_t payload_bytes;
    int64_t deliver_at, expires_at; /* ms since 1970; 0: none */
};

struct producer_receipt {
    int64_t webhook_id;
    char *uid;
    int64_t deliveries; /* 0: no endpoint subscribes to its type */
};

/* Inserts one webhook, and returns once it is on disk. `database` is open as DATABASE_PERSON. A
 * refusal, such as a dedup_key that was used before, is an ERROR_USAGE. The receipt is freed with
 * producer_receipt_free(). */
int producer_insert(struct database *database, const struct producer_webhook *webhook,
                    struct producer_receipt *receipt, struct error *error) must_check;

void producer_receipt_free(struct producer_receipt *receipt);

/* Makes the JSON object of headers that webhooks and endpoints hold; *json stays NULL when there
 * are none. Freed with free(). A name that is given twice is an ERROR_USAGE. */
int producer_headers(struct database *database, const struct producer_header *headers, size_t count,
                     char **json, struct error *error) must_check;

/* Reads a point in time as people write it: 2026-05-01 12:00, 2026-05-01T12:00:00.250Z or +02:00;
 * UTC when it names no offset. *at gets ms since 1970. */
int producer_time(struct database *database, const char *text, int64_t *at,
                  struct error *error) must_check;

#endif
