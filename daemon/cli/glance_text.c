#include "outhook/cli/glance_text.h"

#include "outhook/cli/json.h"
#include "outhook/cli/text.h"

#include <inttypes.h>

/* For how long the daemon does nothing yet, in ms; 0: it works, or there is none. */
static int64_t glance_wait_ms(const struct glance *glance, int64_t now_ms) {
    return glance->daemon_runs ? setback_wait_ms(&glance->setback, now_ms) : 0;
}

static void append_failures(struct buffer *line, const struct setback *setback, int64_t now_ms) {
    buffer_print(line, "; failed ");
    if (setback->failures > 1)
        buffer_print(line, "%" PRId64 " times in a row, the last one ", setback->failures);
    text_append_age(line, now_ms - setback->failed_at);
    buffer_print(line, " ago: %s", setback->error.text);
}

void glance_append_daemon(struct buffer *line, const struct glance *glance, int64_t now_ms) {
    int64_t wait_ms = glance_wait_ms(glance, now_ms);
    if (wait_ms) {
        buffer_print(line, "waiting for ");
        text_append_age(line, wait_ms);
        buffer_print(line, " more");
    } else {
        buffer_print(line, "%s", glance->daemon_runs ? "running" : "not running");
    }
    if (glance->daemon_runs && glance->daemon_pid)
        buffer_print(line, ", process %" PRId64, glance->daemon_pid);
    if (glance->daemon_in_flight >= 0 && !wait_ms)
        buffer_print(line, ", %" PRId64 " call%s in flight", glance->daemon_in_flight,
                     glance->daemon_in_flight == 1 ? "" : "s");
    if (glance->setback.failures)
        append_failures(line, &glance->setback, now_ms);
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

void glance_json(struct buffer *json, const struct glance *glance, int64_t now_ms) {
    const struct setback *setback = &glance->setback;
    int64_t wait_ms = glance_wait_ms(glance, now_ms);
    json_bool(json, "daemon_runs", glance->daemon_runs);
    json_integer_or_null(json, "daemon_pid", glance->daemon_pid);
    if (glance->daemon_in_flight >= 0)
        json_integer(json, "in_flight", glance->daemon_in_flight);
    else
        json_null(json, "in_flight");
    json_integer(json, "failures", setback->failures);
    json_integer_or_null(json, "failed_at", setback->failed_at);
    json_text(json, "failure", setback->failures ? setback->error.text : NULL);
    json_integer_or_null(json, "waits_until_at", wait_ms ? now_ms + wait_ms : 0);
    json_integer(json, "pending", glance->pending);
    json_integer(json, "max_pending", glance->max_pending);
    json_integer_or_null(json, "oldest_pending_at", glance->oldest_pending_at);
    json_integer_or_null(json, "next_due_at", glance->next_due_at);
}
