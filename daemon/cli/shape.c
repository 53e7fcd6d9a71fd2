#include "outhook/base/clock.h"
#include "outhook/cli/filter.h"
#include "outhook/cli/json.h"
#include "outhook/cli/table.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/verb.h"
#include "outhook/cli/watch.h"
#include "outhook/store/backlog.h"
#include "outhook/store/selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct shape_settings {
    const char *status;
    struct option_number limit;
    bool json;
    struct watch watch;
};

#define FIELD(name) offsetof(struct shape_settings, name)

enum { LIMIT_USUAL = 20, NARROW_COLUMNS = 80, NARROW_BUCKETS = 5 };

static const struct option_row shape_options[] = {
    {"status", "STATUS", OPTION_TEXT, FIELD(status), 0, 0,
     "Of the deliveries with this status; pending unless given."},
    {"limit", "NUMBER", OPTION_INTEGER, FIELD(limit), 0, 1000000000,
     "At most so many endpoints; 20 unless given, 0 for all."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0,
     "Print a JSON object a line: all endpoints together, then each."},
    WATCH_OPTIONS(struct shape_settings, watch),
    {0},
};

static const struct table_column wide_columns[] = {
    {"ENDPOINT", 8, 0, false}, {"T", 0, 0, true},   {"5", 0, 0, true},    {"10", 0, 0, true},
    {"20", 0, 0, true},        {"40", 0, 0, true},  {"80", 0, 0, true},   {"160", 0, 0, true},
    {"320", 0, 0, true},       {"640", 0, 0, true}, {"1280", 0, 0, true}, {"1280+", 0, 0, true},
};
static const struct table_column narrow_columns[] = {
    {"ENDPOINT", 8, 0, false}, {"T", 0, 0, true},  {"5", 0, 0, true},   {"10", 0, 0, true},
    {"20", 0, 0, true},        {"40", 0, 0, true}, {"40+", 0, 0, true},
};

enum { WIDE_BUCKETS = 9 }; /* 5, 10 … 1280; a table has no room for more */

/* ---- for a person ---------------------------------------------------------------------------- */

/* 9999, 12k, 3.4M: a column stays narrow. */
static void add_count(struct table *table, int64_t count) {
    char text[32];
    if (count < 10000)
        snprintf(text, sizeof text, "%" PRId64, count);
    else if (count < 1000000)
        snprintf(text, sizeof text, "%" PRId64 "k", count / 1000);
    else
        snprintf(text, sizeof text, "%.1fM", (double)count / 1e6);
    table_add(table, text, count ? STYLE_PLAIN : STYLE_DIM);
}

static void shape_add(struct table *table, const struct shape_row *row, const char *label,
                      int buckets) {
    int64_t older = 0;
    table_add(table, label, STYLE_PLAIN);
    add_count(table, row->total);
    for (int i = 0; i < buckets; i++)
        add_count(table, row->ages[i]);
    for (int i = buckets; i <= SHAPE_BUCKETS; i++)
        older += row->ages[i];
    add_count(table, older);
}

static void shape_print(const struct shape *shape, size_t limit) {
    bool narrow = terminal_columns() < NARROW_COLUMNS;
    int buckets = narrow ? NARROW_BUCKETS - 1 : WIDE_BUCKETS;
    struct table table;
    table_init(&table, narrow ? narrow_columns : wide_columns, buckets + 3);
    shape_add(&table, &shape->all, "TOTAL", buckets);
    for (size_t i = 0; i < shape->count && i < limit; i++)
        shape_add(&table, &shape->rows[i], shape->rows[i].label ? shape->rows[i].label : "(gone)",
                  buckets);
    table_print(&table, terminal_columns());
    table_free(&table);
    if (shape->count > limit)
        printf("and %zu more\n", shape->count - limit);
}

/* ---- for a program --------------------------------------------------------------------------- */

static void shape_json_row(const struct shape_row *row, bool all) {
    struct buffer json = {0};
    int64_t bound_minutes = 5;
    json_open(&json, NULL, '{');
    json_text(&json, "endpoint", row->label);
    json_integer_or_null(&json, "endpoint_id", all ? 0 : row->endpoint_id);
    json_integer(&json, "total", row->total);
    json_open(&json, "ages", '[');
    for (int i = 0; i <= SHAPE_BUCKETS; i++, bound_minutes *= 2) {
        json_open(&json, NULL, '{');
        json_integer_or_null(&json, "minutes", i < SHAPE_BUCKETS ? bound_minutes : 0);
        json_integer(&json, "count", row->ages[i]);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

static void shape_json(const struct shape *shape, size_t limit) {
    shape_json_row(&shape->all, true);
    for (size_t i = 0; i < shape->count && i < limit; i++)
        shape_json_row(&shape->rows[i], false);
}

/* ---- the verb -------------------------------------------------------------------------------- */

struct shape_view {
    struct database *database;
    const struct shape_settings *wanted;
    const char *status;
};

static int shape_draw(void *context, struct error *error) {
    const struct shape_view *view = context;
    const struct shape_settings *wanted = view->wanted;
    size_t limit = wanted->limit.given ? (size_t)wanted->limit.value : LIMIT_USUAL;
    struct shape shape;
    int r = shape_read(view->database, view->status, clock_now().wall_ms, &shape, error);
    if (r)
        return r;
    limit = limit ? limit : shape.count;
    if (wanted->json)
        shape_json(&shape, limit);
    else
        shape_print(&shape, limit);
    shape_free(&shape);
    return 0;
}

static int shape_run(const struct command *command, const void *settings, struct error *error) {
    const struct shape_settings *wanted = settings;
    const char *status = wanted->status ? wanted->status : "pending";
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r && !selection_status(status, strlen(status)))
        r = filter_refuse_status(status, strlen(status), error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    struct shape_view view = {&database, wanted, status};
    r = watch_run(&wanted->watch, "outhook shape", wanted->json, shape_draw, &view, error);
    database_close(&database);
    return r;
}

const struct verb verb_shape = {
    .name = "shape",
    .summary = "show how old the backlog is, by endpoint",
    .description =
        "T counts the deliveries of an endpoint, the other columns those of them that\n"
        "were enqueued up to 5, 10, 20 … minutes ago, and longer ago than the one\n"
        "before. The largest endpoints come first. A narrow terminal gets fewer columns.",
    .options = shape_options,
    .settings_bytes = sizeof(struct shape_settings),
    .run = shape_run,
};
