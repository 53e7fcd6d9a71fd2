#include "outhook/base/clock.h"
#include "outhook/cli/glance_text.h"
#include "outhook/cli/json.h"
#include "outhook/cli/paragraph.h"
#include "outhook/cli/table.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/cli/watch.h"
#include "outhook/store/overview.h"

#include <inttypes.h>
#include <stdio.h>

enum { STATUS_LABEL_COLUMNS = 12, HELD_LINES = 20 };

struct status_settings {
    bool json;
    struct watch watch;
};

static const struct option_row status_options[] = {
    {"json", NULL, OPTION_FLAG, offsetof(struct status_settings, json), 0, 0,
     "Print a JSON object."},
    WATCH_OPTIONS(struct status_settings, watch),
    {0},
};

static void status_json_held(struct buffer *json, const struct backlog_held_list *held) {
    json_open(json, "held", '[');
    for (size_t i = 0; i < held->count; i++) {
        const struct backlog_held *row = &held->rows[i];
        json_open(json, NULL, '{');
        json_integer(json, "endpoint_id", row->endpoint_id);
        json_text(json, "endpoint", row->label);
        json_text(json, "gate", row->gate);
        json_integer_or_null(json, "until_at", row->until_at);
        json_integer(json, "in_flight", row->in_flight);
        json_integer(json, "max_in_flight", row->max_in_flight);
        json_integer(json, "pending_up_to_10001", row->pending);
        json_integer(json, "oldest_due_created_at", row->created_at);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void status_json(const struct overview *overview, const char *path) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "database", path);
    json_integer(&json, "schema_version", overview->schema_version);
    json_integer(&json, "database_bytes", overview->database_bytes);
    json_integer(&json, "wal_bytes", overview->wal_bytes);
    glance_json(&json, &overview->glance, clock_now().wall_ms);
    json_open(&json, "deliveries", '{');
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++)
        json_integer(&json, selection_status_word(i), overview->statuses[i]);
    json_close(&json, '}');
    json_integer(&json, "webhooks_without_delivery", overview->undelivered_webhooks);
    json_integer(&json, "endpoints_enabled", overview->endpoints_enabled);
    json_integer(&json, "endpoints_disabled", overview->endpoints_disabled);
    status_json_held(&json, &overview->held);
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
    paragraph_print((struct paragraph){STATUS_LABEL_COLUMNS, STYLE_DIM, STYLE_PLAIN}, label, line);
}

static const struct table_column held_columns[] = {
    {"ENDPOINT", 8, 0, false},
    {"PENDING", 0, 1, true},
    {"OLDEST", 0, 2, true},
    {"HELD UP", 20, 0, false},
};

static void held_print(const struct backlog_held_list *held, int64_t now) {
    struct table table;
    struct buffer text = {0};
    if (!held->count)
        return;
    printf("\n");
    table_init(&table, held_columns, sizeof held_columns / sizeof *held_columns);
    for (size_t i = 0; i < held->count; i++) {
        const struct backlog_held *row = &held->rows[i];
        table_add(&table, row->label, STYLE_PLAIN);
        bool more = row->pending > BACKLOG_COUNT_MAX;
        buffer_print(&text, "%s%" PRId64, more ? ">" : "", row->pending - more);
        table_add(&table, buffer_text(&text), STYLE_PLAIN);
        buffer_clear(&text);
        text_append_age(&text, now - row->created_at);
        table_add(&table, buffer_text(&text), STYLE_PLAIN);
        buffer_clear(&text);
        table_add(&table, row->text, STYLE_WARN);
    }
    table_print(&table, terminal_columns());
    table_free(&table);
    buffer_free(&text);
    if (held->total > (int64_t)held->count)
        printf("and %" PRId64 " more\n", held->total - (int64_t)held->count);
}

static void status_print(const struct overview *overview, const char *path) {
    struct buffer line = {0};
    append_files(&line, overview, path);
    print_line("database", &line);
    glance_append_daemon(&line, &overview->glance, clock_now().wall_ms);
    print_line("outhookd", &line);
    glance_append_pending(&line, &overview->glance, clock_now().wall_ms);
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
    held_print(&overview->held, clock_now().wall_ms);
}

struct status_view {
    struct database *database;
    bool as_json;
};

static int status_draw(void *context, struct error *error) {
    const struct status_view *view = context;
    struct overview overview;
    int r = overview_read(view->database, view->as_json ? INT64_MAX : HELD_LINES, &overview, error);
    if (!r && view->as_json)
        status_json(&overview, view->database->path);
    else if (!r)
        status_print(&overview, view->database->path);
    overview_free(&overview);
    return r;
}

static int status_run(const struct command *command, const void *settings, struct error *error) {
    const struct status_settings *status = settings;
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    struct status_view view = {&database, status->json};
    r = watch_run(&status->watch, "outhook status", status->json, status_draw, &view, error);
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
