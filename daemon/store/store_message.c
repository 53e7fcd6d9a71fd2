#include "outhook/store/store_message.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/seal.h"

#include <stdlib.h>

struct store_request *store_request_new(enum store_request_kind kind) {
    struct store_request *request = new (struct store_request);
    request->kind = kind;
    return request;
}

void store_request_free(struct store_request *request) {
    outcome_free(&request->write.outcome);
    delivery_free(request->delivery);
    free(request->gates);
    if (request->keys)
        seal_keys_wipe(request->keys);
    free(request->keys);
    free(request);
}

void store_reply_free(struct store_reply *reply) {
    if (reply->kind == STORE_WRITTEN) {
        store_request_free(reply->request);
        return;
    }
    for (int i = 0; reply->load && i < reply->load->count; i++)
        delivery_free(reply->load->rows[i]);
    free(reply->load);
    endpoint_unref(reply->endpoint);
    if (reply->request)
        store_request_free(reply->request);
    free(reply);
}
