#include "outhook/base/clock.h"
#include "outhook/cli/json.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/store/overview.h"

#include <inttypes.h>
#include <stdio.h>

struct status_settings {
    bool json;
};

static const struct option_row status_options[] = {
    {"json", NULL, OPTION_FLAG, offsetof(struct status_settings, json), 0, 0,
     "Print a JSON object."},
    {0},
};

static void status_json(const struct overview *overview, const char *path) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "database", path);
    json_integer(&json, "schema_version", overview->schema_version);
    json_integer(&json, "database_bytes", overview->database_bytes);
    json_integer(&json, "wal_bytes", overview->wal_bytes);
    json_bool(&json, "daemon_runs", overview->daemon_runs);
    json_integer_or_null(&json, "daemon_pid", overview->daemon_pid);
    json_integer(&json, "pending", overview->pending);
    json_integer(&json, "max_pending", overview->max_pending);
    json_open(&json, "deliveries", '{');
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++)
        json_integer(&json, selection_status_word(i), overview->statuses[i]);
    json_close(&json, '}');
    json_integer_or_null(&json, "oldest_pending_at", overview->oldest_pending_at);
    json_integer_or_null(&json, "next_due_at", overview->next_due_at);
    json_integer(&json, "webhooks_without_delivery", overview->undelivered_webhooks);
    json_integer(&json, "endpoints_enabled", overview->endpoints_enabled);
    json_integer(&json, "endpoints_disabled", overview->endpoints_disabled);
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

/* ---- for a person ---------------------------------------------------------------------------- */

static void append_files(struct buffer *line, const struct overview *overview, const char *path) {
    buffer_print(line, "%s, ", path);
    text_append_bytes(line, overview->database_bytes);
    buffer_print(line, ", write-ahead log ");
    text_append_bytes(line, overview->wal_bytes);
    buffer_print(line, ", schema version %" PRId64, overview->schema_version);
}

static void append_daemon(struct buffer *line, const struct overview *overview) {
    buffer_print(line, "%s", overview->daemon_runs ? "running" : "not running");
    if (overview->daemon_runs && overview->daemon_pid)
        buffer_print(line, ", process %" PRId64, overview->daemon_pid);
}

static void append_pending(struct buffer *line, const struct overview *overview, int64_t now) {
    buffer_print(line, "%" PRId64 " of at most %" PRId64, overview->pending, overview->max_pending);
    if (overview->oldest_pending_at) {
        buffer_print(line, ", the oldest for ");
        text_append_age(line, now - overview->oldest_pending_at);
    }
    if (overview->next_due_at > now) {
        buffer_print(line, ", the next due in ");
        text_append_age(line, overview->next_due_at - now);
    } else if (overview->next_due_at) {
        buffer_print(line, ", due now");
    }
}

static void append_finished(struct buffer *line, const struct overview *overview) {
    const char *comma = "";
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++) {
        if (i == SELECTION_NUMBER_PENDING)
            continue;
        buffer_print(line, "%s%" PRId64 " %s", comma, overview->statuses[i],
                     selection_status_word(i));
        comma = ", ";
    }
}

static void print_line(const char *label, struct buffer *line) {
    printf("%-11s%s\n", label, buffer_text(line));
    buffer_clear(line);
}

static void status_print(const struct overview *overview, const char *path) {
    struct buffer line = {0};
    append_files(&line, overview, path);
    print_line("database", &line);
    append_daemon(&line, overview);
    print_line("outhookd", &line);
    append_pending(&line, overview, clock_now().wall_ms);
    print_line("pending", &line);
    append_finished(&line, overview);
    print_line("finished", &line);
    buffer_print(&line, "%" PRId64 " enabled, %" PRId64 " disabled", overview->endpoints_enabled,
                 overview->endpoints_disabled);
    print_line("endpoints", &line);
    buffer_print(&line, "%" PRId64 " webhook%s without a delivery%s",
                 overview->undelivered_webhooks, overview->undelivered_webhooks == 1 ? "" : "s",
                 overview->undelivered_webhooks ? " (no endpoint subscribed to the type)" : "");
    print_line("unrouted", &line);
    buffer_free(&line);
}

static int status_run(const struct command *command, const void *settings, struct error *error) {
    const struct status_settings *status = settings;
    struct database database;
    struct overview overview;
    int r = command_operands(command, 0, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    r = overview_read(&database, &overview, error);
    if (!r && status->json)
        status_json(&overview, database.path);
    else if (!r)
        status_print(&overview, database.path);
    database_close(&database);
    return r;
}

const struct verb verb_status = {
    .name = "status",
    .summary = "show the queue, the endpoints and the daemon in numbers",
    .options = status_options,
    .settings_bytes = sizeof(struct status_settings),
    .run = status_run,
};
