#include "outhook/service/endpoint_log.h"

#include "outhook/delivery/endpoint.h"
#include "outhook/runtime/log.h"

#include <stdbool.h>

enum { LINES_A_SECOND = 10 };

static bool endpoint_log_room(struct endpoint_log *log) {
    bool room = log->written < LINES_A_SECOND;
    *(room ? &log->written : &log->left_out) += 1;
    return room;
}

void endpoint_log_read(struct endpoint_log *log, const struct endpoint *endpoint, struct now now) {
    const struct log_field fields[] = {{"ENDPOINT", endpoint_label(endpoint)}};
    endpoint_log_turn(log, now);
    if (endpoint->enabled && endpoint->locked && endpoint_log_room(log))
        log_fields(LEVEL_ERROR, fields, 1,
                   "endpoint %s is not sent to, and its deliveries wait: %s",
                   endpoint_label(endpoint), endpoint->locked);
    if (endpoint->tls_insecure && endpoint_log_room(log))
        log_fields(
            LEVEL_WARNING, fields, 1,
            "endpoint %s has tls_insecure: anybody on the way to it can read and change what "
            "is sent to it; tls_ca_file is the safe way to trust a certificate of its own",
            endpoint_label(endpoint));
}

void endpoint_log_turn(struct endpoint_log *log, struct now now) {
    int64_t second = now.mono_ms / 1000;
    if (second == log->second)
        return;
    if (log->left_out)
        log_line(
            LEVEL_ERROR,
            "%d more endpoints are not sent to, or have tls_insecure: outhook endpoint list and "
            "outhook status tell which",
            log->left_out);
    *log = (struct endpoint_log){.second = second};
}
