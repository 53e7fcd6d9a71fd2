#include "outhook/cli/story_json.h"

#include "outhook/cli/delivery_json.h"
#include "outhook/cli/json.h"

static void webhook_json(struct buffer *json, const struct webhook_facts *webhook) {
    json_open(json, "webhook", '{');
    json_integer(json, "id", webhook->id);
    json_text(json, "uid", webhook->uid);
    json_text(json, "type", webhook->type);
    json_text(json, "method", webhook->method);
    json_text(json, "content_type", webhook->content_type);
    json_raw(json, "headers", webhook->headers);
    json_text(json, "dedup_key", webhook->dedup_key);
    json_integer(json, "created_at", webhook->created_at);
    json_integer_or_null(json, "deliver_at", webhook->deliver_at);
    json_integer_or_null(json, "expires_at", webhook->expires_at);
    json_integer(json, "payload_bytes", webhook->payload_bytes);
    json_bytes(json, "payload", webhook->payload, webhook->payload_kept);
    json_close(json, '}');
}

static void endpoint_json(struct buffer *json, const struct delivery_story *story) {
    const struct endpoint_facts *endpoint = &story->endpoint;
    json_open(json, "endpoint", '{');
    json_integer(json, "id", endpoint->id);
    json_text(json, "name", endpoint->name);
    json_text(json, "url", endpoint->url);
    json_bool(json, "enabled", endpoint->enabled);
    json_text(json, "disabled_reason", endpoint->disabled_reason);
    json_integer_or_null(json, "disabled_at", endpoint->disabled_at);
    json_bool(json, "ordered", endpoint->ordered);
    json_text(json, "held_up", story->held_up);
    json_close(json, '}');
}

static void attempt_json(struct buffer *json, const struct attempt_facts *attempt) {
    json_open(json, NULL, '{');
    json_integer(json, "number", attempt->number);
    json_text(json, "verdict", attempt->verdict);
    json_text(json, "phase", attempt->phase);
    json_integer(json, "started_at", attempt->started_at);
    json_integer(json, "duration_ms", attempt->duration_ms);
    json_integer_or_null(json, "status_code", attempt->status_code);
    json_text(json, "error", attempt->error);
    json_text(json, "remote_address", attempt->remote_address);
    json_text(json, "response_headers", attempt->response_headers);
    json_bytes(json, "response_body", attempt->response_body, attempt->response_body_kept);
    json_close(json, '}');
}

void story_json_print(const struct delivery_story *story) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_open(&json, "delivery", '{');
    delivery_json(&json, &story->delivery);
    json_close(&json, '}');
    if (story->webhook.id)
        webhook_json(&json, &story->webhook);
    else
        json_null(&json, "webhook");
    if (story->endpoint.id)
        endpoint_json(&json, story);
    else
        json_null(&json, "endpoint");
    json_open(&json, "attempts", '[');
    for (size_t i = 0; i < story->attempt_count; i++)
        attempt_json(&json, &story->attempts[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}
