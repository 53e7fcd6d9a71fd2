#ifndef OUTHOOK_STORE_EXCHANGE_H
#define OUTHOOK_STORE_EXCHANGE_H

/*
 * The two channels between the store's thread and its owner, and what each is woken by. Both send
 * in batches and wake the other side once for each.
 */

#include "outhook/runtime/channel.h"
#include "outhook/runtime/waker.h"
#include "outhook/store/store_message.h"

#include <stdbool.h>
#include <stddef.h>

enum { EXCHANGE_RECEIVE_BATCH = 64 };

struct exchange {
    struct channel *requests, *replies;
    struct waker waker; /* what the store's thread sleeps on */

    /* The owner's thread only. */
    bool sent; /* since it last rang */
    void *received[EXCHANGE_RECEIVE_BATCH];
    size_t n_received, next_received;

    int n_untold; /* the store's thread only: replies that nobody was woken for */
};

/* Room for so many requests. `wake` wakes the owner. */
void exchange_open(struct exchange *exchange, size_t requests, void (*wake)(void *context),
                   void *context);

/* Frees it, with all that is inside. */
void exchange_close(struct exchange *exchange);

/* Nothing more is taken, on either side. Any thread. */
void exchange_stop(struct exchange *exchange);

/* ---- the owner's side: as store.h says of store_send(), store_ring(), store_receive() -------- */

void exchange_send(struct exchange *exchange, struct store_request *request);

void exchange_ring(struct exchange *exchange);

struct store_reply *exchange_receive(struct exchange *exchange);

/* ---- the store's side ------------------------------------------------------------------------ */

/* Replies, having waited for room. */
void exchange_reply(struct exchange *exchange, const struct store_reply *content);

/* Takes no more requests, drops those that wait, and makes no more replies. */
void exchange_end(struct exchange *exchange);

/* Wakes the owner for all that was replied; to be called before anything that takes long. */
void exchange_tell(struct exchange *exchange);

#endif
