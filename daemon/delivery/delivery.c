#include "outhook/delivery/delivery.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <stdlib.h>

struct delivery *delivery_new(void) {
    struct delivery *delivery = new (struct delivery);
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
    if (delivery->texts) {
        free(delivery->texts);
    } else {
        free(delivery->uid);
        free(delivery->type);
        free(delivery->method);
        free(delivery->content_type);
        free(delivery->header_lines);
    }
    free(delivery);
}
