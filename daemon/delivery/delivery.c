#include "outhook/delivery/delivery.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <stdlib.h>

struct delivery *delivery_new(size_t texts_bytes) {
    struct delivery *delivery = memory_new(1, sizeof *delivery + texts_bytes);
    list_init(&delivery->link);
    return delivery;
}

void delivery_free_payload(struct delivery *delivery) {
    free(delivery->payload);
    delivery->payload = NULL;
}

void delivery_free(struct delivery *delivery) {
    if (!delivery)
        return;
    delivery_free_payload(delivery);
    endpoint_unref(delivery->endpoint);
    free(delivery);
}
