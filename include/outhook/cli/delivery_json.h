#ifndef OUTHOOK_CLI_DELIVERY_JSON_H
#define OUTHOOK_CLI_DELIVERY_JSON_H

#include "outhook/base/buffer.h"
#include "outhook/store/inspection.h"

/* Appends a delivery's members to the object that is open. list and show have the same. */
void delivery_json(struct buffer *json, const struct delivery_facts *delivery);

#endif
