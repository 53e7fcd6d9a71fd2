#include "outhook/cli/endpoint_health.h"

#include "outhook/cli/json.h"
#include "outhook/cli/text.h"

void endpoint_health_json(struct buffer *json, const struct endpoint_health *health,
                          int64_t attempts_since) {
    json_bool(json, "enabled", health->enabled);
    json_text(json, "disabled_reason", health->disabled_reason);
    json_integer_or_null(json, "disabled_at", health->disabled_at);
    json_integer_or_null(json, "failing_since", health->failing_since);
    json_integer(json, "pending", health->pending);
    json_integer_or_null(json, "oldest_pending_at", health->oldest_pending_at);
    json_integer_or_null(json, "last_success_at", health->success_at);
    json_integer_or_null(json, "last_success_before", health->success_at ? 0 : attempts_since);
    json_integer_or_null(json, "last_failure_at", health->failure_at);
    json_text(json, "last_failure", health->failure);
}

void endpoint_health_success(struct buffer *text, const struct endpoint_health *health,
                             int64_t attempts_since, int64_t now) {
    if (health->success_at) {
        text_append_age(text, now - health->success_at);
    } else if (attempts_since) {
        buffer_print(text, ">");
        text_append_age(text, now - attempts_since);
    }
}
