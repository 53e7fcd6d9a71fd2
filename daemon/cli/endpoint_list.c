#include "outhook/base/clock.h"
#include "outhook/cli/endpoint.h"
#include "outhook/cli/endpoint_health.h"
#include "outhook/cli/json.h"
#include "outhook/cli/table.h"
#include "outhook/cli/text.h"
#include "outhook/cli/watch.h"

#include <inttypes.h>
#include <stdio.h>

struct endpoint_list_settings {
    bool all, json;
    struct watch watch;
};

#define FIELD(name) offsetof(struct endpoint_list_settings, name)

static const struct option_row list_options[] = {
    {"all", NULL, OPTION_FLAG, FIELD(all), 0, 0,
     "Also those without a name, which webhooks to a bare URL made."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object a line."},
    WATCH_OPTIONS(struct endpoint_list_settings, watch),
    {0},
};

static const struct table_column list_columns[] = {
    {"NAME", 8, 0, false},   {"URL", 16, 3, false},        {"STATE", 8, 0, false},
    {"PENDING", 0, 0, true}, {"OLDEST", 0, 2, true},       {"LAST OK", 0, 0, true},
    {"FAILED", 0, 1, true},  {"LAST ERROR", 12, 4, false},
};

enum { LIST_COLUMNS = sizeof list_columns / sizeof *list_columns };

/* ---- for a person ---------------------------------------------------------------------------- */

static void list_add_state(struct table *table, const struct endpoint_health *health, int64_t now) {
    struct buffer text = {0};
    bool failing = health->enabled && health->failing_since;
    if (failing) {
        buffer_print(&text, "failing for ");
        text_append_age(&text, now - health->failing_since);
    } else {
        buffer_print(&text, health->enabled ? "enabled" : "disabled");
    }
    if (!health->enabled && health->disabled_reason)
        buffer_print(&text, ": %s", health->disabled_reason);
    table_add(table, buffer_text(&text),
              failing           ? STYLE_BAD
              : health->enabled ? STYLE_PLAIN
                                : STYLE_WARN);
    buffer_free(&text);
}

/* An error that a success came after is history. */
static void list_add_failure(struct table *table, const struct endpoint_health *health,
                             int64_t now) {
    bool over = health->success_at > health->failure_at;
    table_add_age(table, now - health->failure_at, health->failure_at != 0);
    table_add(table, health->failure, over ? STYLE_DIM : STYLE_BAD);
}

static void list_add(struct table *table, const struct endpoint_health *health,
                     int64_t attempts_since, int64_t now) {
    struct buffer text = {0};
    table_add(table, health->name ? health->name : health->url, STYLE_PLAIN);
    table_add(table, health->name ? health->url : "", STYLE_PLAIN);
    list_add_state(table, health, now);
    buffer_print(&text, "%" PRId64, health->pending);
    table_add(table, buffer_text(&text), STYLE_PLAIN);
    table_add_age(table, now - health->oldest_pending_at, health->oldest_pending_at != 0);
    buffer_clear(&text);
    endpoint_health_success(&text, health, attempts_since, now);
    table_add(table, buffer_text(&text), STYLE_PLAIN);
    list_add_failure(table, health, now);
    buffer_free(&text);
}

static void list_print(const struct endpoint_health_list *list) {
    int64_t now = clock_now().wall_ms;
    struct table table;
    table_init(&table, list_columns, LIST_COLUMNS);
    for (size_t i = 0; i < list->count; i++)
        list_add(&table, &list->rows[i], list->attempts_since, now);
    table_print(&table, terminal_columns());
    table_free(&table);
    if (!list->count && terminal_is_stdout())
        printf("no endpoints\n");
}

/* ---- the verb -------------------------------------------------------------------------------- */

static void list_json(const struct endpoint_health_list *list) {
    struct buffer json = {0};
    for (size_t i = 0; i < list->count; i++) {
        json_open(&json, NULL, '{');
        json_integer(&json, "id", list->rows[i].id);
        json_text(&json, "name", list->rows[i].name);
        json_text(&json, "url", list->rows[i].url);
        endpoint_health_json(&json, &list->rows[i], list->attempts_since);
        json_close(&json, '}');
        json_print(&json, false);
    }
    buffer_free(&json);
}

struct list_view {
    struct database *database;
    const struct endpoint_list_settings *wanted;
};

static int list_draw(void *context, struct error *error) {
    const struct list_view *view = context;
    struct endpoint_health_list list;
    int r = endpoint_health_read(view->database, 0, view->wanted->all, &list, error);
    if (r)
        return r;
    if (view->wanted->json)
        list_json(&list);
    else
        list_print(&list);
    endpoint_health_list_free(&list);
    return 0;
}

static int list_run(const struct command *command, const void *settings, struct error *error) {
    const struct endpoint_list_settings *wanted = settings;
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    struct list_view view = {&database, wanted};
    r = watch_run(&wanted->watch, "outhook endpoint list", wanted->json, list_draw, &view, error);
    database_close(&database);
    return r;
}

const struct verb verb_endpoint_list = {
    .within = "endpoint",
    .name = "list",
    .summary = "list endpoints, and how they fare",
    .description =
        "PENDING counts the deliveries that wait, OLDEST says how long the first of them\n"
        "has. LAST OK and FAILED say how long ago the last successful attempt and the\n"
        "last other one were, among the newest 20000 attempts of all endpoints: >3h is\n"
        "longer ago than these go back, or never.",
    .options = list_options,
    .settings_bytes = sizeof(struct endpoint_list_settings),
    .run = list_run,
};
