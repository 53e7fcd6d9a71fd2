#include "outhook/cli/glance_text.h"

#include "outhook/cli/json.h"
#include "outhook/cli/text.h"

#include <inttypes.h>

void glance_append_daemon(struct buffer *line, const struct glance *glance) {
    buffer_print(line, "%s", glance->daemon_runs ? "running" : "not running");
    if (glance->daemon_runs && glance->daemon_pid)
        buffer_print(line, ", process %" PRId64, glance->daemon_pid);
    if (glance->daemon_in_flight >= 0)
        buffer_print(line, ", %" PRId64 " call%s in flight", glance->daemon_in_flight,
                     glance->daemon_in_flight == 1 ? "" : "s");
}

void glance_append_pending(struct buffer *line, const struct glance *glance, int64_t now_ms) {
    buffer_print(line, "%" PRId64 " of at most %" PRId64, glance->pending, glance->max_pending);
    if (glance->oldest_pending_at) {
        buffer_print(line, ", the oldest for ");
        text_append_age(line, now_ms - glance->oldest_pending_at);
    }
    if (glance->next_due_at > now_ms) {
        buffer_print(line, ", the next due in ");
        text_append_age(line, glance->next_due_at - now_ms);
    } else if (glance->next_due_at) {
        buffer_print(line, ", due now");
    }
}

void glance_json(struct buffer *json, const struct glance *glance) {
    json_bool(json, "daemon_runs", glance->daemon_runs);
    json_integer_or_null(json, "daemon_pid", glance->daemon_pid);
    if (glance->daemon_in_flight >= 0)
        json_integer(json, "in_flight", glance->daemon_in_flight);
    else
        json_null(json, "in_flight");
    json_integer(json, "pending", glance->pending);
    json_integer(json, "max_pending", glance->max_pending);
    json_integer_or_null(json, "oldest_pending_at", glance->oldest_pending_at);
    json_integer_or_null(json, "next_due_at", glance->next_due_at);
}
