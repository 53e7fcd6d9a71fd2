#ifndef OUTHOOK_CLI_ENDPOINT_HEALTH_H
#define OUTHOOK_CLI_ENDPOINT_HEALTH_H

#include "outhook/base/buffer.h"
#include "outhook/store/endpoint_report.h"

/* Appends how an endpoint fares to the object that is open. list and show have the same. */
void endpoint_health_json(struct buffer *json, const struct endpoint_health *health,
                          int64_t attempts_since);

/* Appends how long ago its last success was: "5m", ">3h" when it was before the attempts that were
 * looked at, if at all, and nothing when there was none. */
void endpoint_health_success(struct buffer *text, const struct endpoint_health *health,
                             int64_t attempts_since, int64_t now);

#endif
