#include "outhook/store/exchange.h"

#include "outhook/base/memory.h"

#include <stdlib.h>

enum {
    TELL_MAX = 64,      /* replies after which the owner is woken at once */
    REPLIES_MAX = 1024, /* replies nobody has taken yet */
};

static void exchange_wake_store(void *context) {
    struct exchange *exchange = context;
    waker_wake(&exchange->waker);
}

void exchange_open(struct exchange *exchange, size_t requests, void (*wake)(void *context),
                   void *context) {
    *exchange = (struct exchange){0};
    waker_open(&exchange->waker);
    exchange->requests = channel_new(requests, exchange_wake_store, exchange);
    exchange->replies = channel_new(REPLIES_MAX, wake, context);
}

void exchange_close(struct exchange *exchange) {
    struct store_reply *reply;
    while ((reply = exchange_receive(exchange)))
        store_reply_free(reply);
    channel_free(exchange->requests);
    channel_free(exchange->replies);
    waker_close(&exchange->waker);
}

void exchange_stop(struct exchange *exchange) {
    channel_close(exchange->requests);
    channel_close(exchange->replies);
    waker_wake(&exchange->waker);
}

/* ---- the owner's side ------------------------------------------------------------------------ */

void exchange_send(struct exchange *exchange, struct store_request *request) {
    enum channel_result result = channel_post(exchange->requests, request);
    if (result == CHANNEL_FULL)
        abort(); /* more unanswered requests than the requester promised */
    if (result == CHANNEL_CLOSED)
        store_request_free(request);
    exchange->sent = true;
}

void exchange_ring(struct exchange *exchange) {
    if (exchange->sent)
        channel_ring(exchange->requests);
    exchange->sent = false;
}

struct store_reply *exchange_receive(struct exchange *exchange) {
    if (exchange->next_received == exchange->n_received) {
        exchange->next_received = 0;
        exchange->n_received =
            channel_receive(exchange->replies, exchange->received, EXCHANGE_RECEIVE_BATCH);
    }
    if (!exchange->n_received)
        return NULL;
    return exchange->received[exchange->next_received++];
}

/* ---- the store's side ------------------------------------------------------------------------ */

void exchange_reply(struct exchange *exchange, const struct store_reply *content) {
    struct store_reply *reply =
        content->kind == STORE_WRITTEN ? &content->request->written : new (struct store_reply);
    *reply = *content;
    if (channel_post_wait(exchange->replies, reply) != CHANNEL_SENT)
        store_reply_free(reply);
    if (++exchange->n_untold >= TELL_MAX)
        exchange_tell(exchange);
}

void exchange_end(struct exchange *exchange) {
    void *request;
    channel_close(exchange->requests);
    while (channel_receive(exchange->requests, &request, 1))
        store_request_free(request);
    channel_close(exchange->replies);
}

void exchange_tell(struct exchange *exchange) {
    if (exchange->n_untold)
        channel_ring(exchange->replies);
    exchange->n_untold = 0;
}
