#ifndef OUTHOOK_DELIVERY_DELIVERY_H
#define OUTHOOK_DELIVERY_DELIVERY_H

/*
 * One delivery in memory: a pending row with the webhook that it carries.
 *
 * The store makes it and hands it to the loop; the scheduler keeps it in its lane's window, then
 * among the lane's calls under way; the payload goes with the call, and the rest is freed once the
 * outcome is written (or at once when the row is given back unsent). One thread at a time owns it.
 */

#include "outhook/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct lane;
struct origin;

struct delivery {
    /* The row. Wall times in ms; expires_at is CLOCK_NEVER when there is none. */
    int64_t id, webhook_id, endpoint_id;
    int64_t due_at, expires_at, created_at;
    int64_t retry_at;    /* before this it is not sent, if the endpoint is ordered; 0: at once */
    int attempts;        /* made since the insert or the last replay */
    int attempts_before; /* made before that */

    /* The webhook. All NULL when its row is gone. Its texts stand in `texts`, or are lent. */
    const char *uid, *type, *method, *content_type;
    const char *header_lines; /* "Name: value\n" …; NULL when there are none */
    void *payload;            /* owned */
    size_t payload_bytes;

    /* The scheduler's. */
    struct list link;
    struct lane *lane;
    struct origin *origin;     /* that the call went to */
    struct endpoint *endpoint; /* a reference, from the dispatch on */
    int64_t sent_at;           /* mono ms */
    int64_t charged_ms;        /* slot-time charged in advance */
    bool unproven;             /* sent while its endpoint had yet to prove itself */

    char texts[]; /* room for those above, so that they go and come with the rest */
};

/* A delivery, all zero, with room for so many bytes of texts. */
struct delivery *delivery_new(size_t texts_bytes);

/* Frees the payload alone: it is the bulk, and not needed once the call has ended. */
void delivery_free_payload(struct delivery *delivery);

/* Frees a delivery that is in no list, with its reference to the endpoint. NULL is fine. */
void delivery_free(struct delivery *delivery);

#endif
