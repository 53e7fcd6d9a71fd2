#include "outhook/cli/delivery_json.h"

#include "outhook/cli/json.h"

void delivery_json(struct buffer *json, const struct delivery_facts *delivery) {
    json_integer(json, "id", delivery->id);
    json_integer(json, "webhook_id", delivery->webhook_id);
    json_text(json, "uid", delivery->uid);
    json_text(json, "type", delivery->type);
    json_integer(json, "endpoint_id", delivery->endpoint_id);
    json_text(json, "endpoint", delivery->endpoint);
    json_text(json, "status", delivery->status);
    json_bool(json, "held", delivery->held);
    json_integer(json, "attempts", delivery->attempts);
    json_integer(json, "attempts_before", delivery->attempts_before);
    json_integer(json, "created_at", delivery->created_at);
    json_integer(json, "due_at", delivery->due_at);
    json_integer_or_null(json, "expires_at", delivery->expires_at);
    json_integer_or_null(json, "finished_at", delivery->finished_at);
    json_integer_or_null(json, "last_status_code", delivery->last_status_code);
    json_text(json, "last_error", delivery->last_error);
    if (delivery->last_duration_ms >= 0)
        json_integer(json, "last_duration_ms", delivery->last_duration_ms);
    else
        json_null(json, "last_duration_ms");
}
