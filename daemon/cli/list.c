#include "outhook/base/clock.h"
#include "outhook/cli/delivery_json.h"
#include "outhook/cli/filter.h"
#include "outhook/cli/json.h"
#include "outhook/cli/table.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/cli/watch.h"

#include <inttypes.h>
#include <stdio.h>

enum { LIST_LIMIT_USUAL = 20, LIST_BLOCK_ROWS = 500 };

struct list_settings {
    struct filter filter;
    struct option_number limit;
    bool json;
    struct watch watch;
};

static const struct option_row list_options[] = {
    FILTER_OPTIONS(struct list_settings, filter),
    {"limit", "N", OPTION_INTEGER, offsetof(struct list_settings, limit), 0, INT64_MAX,
     "At most so many, 20 by default; 0 is all."},
    {"json", NULL, OPTION_FLAG, offsetof(struct list_settings, json), 0, 0,
     "Print a JSON object a line."},
    WATCH_OPTIONS(struct list_settings, watch),
    {0},
};

static const struct table_column list_columns[] = {
    {"ID", 0, 0, true},      {"STATUS", 0, 0, false}, {"ENDPOINT", 12, 0, false},
    {"TYPE", 8, 3, false},   {"TRIES", 0, 4, true},   {"CODE", 0, 2, true},
    {"AGE", 0, 0, true},     {"NEXT", 0, 1, true},    {"TOOK", 0, 6, true},
    {"ERROR", 12, 5, false},
};

enum { LIST_COLUMNS = sizeof list_columns / sizeof *list_columns };

/* ---- cells ----------------------------------------------------------------------------------- */

static void add_integer(struct table *table, int64_t value, bool there) {
    char text[32] = "";
    if (there)
        snprintf(text, sizeof text, "%" PRId64, value);
    table_add(table, text, STYLE_PLAIN);
}

static void add_next(struct table *table, const struct delivery_facts *row, int64_t now) {
    if (row->held)
        table_add(table, "on hold", STYLE_WARN);
    else if (row->finished_at || row->due_at > now)
        table_add_age(table, row->due_at - now, !row->finished_at);
    else
        table_add(table, "due", STYLE_PLAIN);
}

static void list_add(struct table *table, const struct delivery_facts *row, int64_t now) {
    int64_t tries = row->attempts_before + row->attempts;
    add_integer(table, row->id, true);
    table_add(table, row->status, terminal_status_style(row->status));
    table_add(table, row->endpoint ? row->endpoint : "(gone)", STYLE_PLAIN);
    table_add(table, row->type, STYLE_PLAIN);
    add_integer(table, tries, true);
    add_integer(table, row->last_status_code, row->last_status_code != 0);
    table_add_age(table, now - row->created_at, true);
    add_next(table, row, now);
    table_add_age(table, row->last_duration_ms, row->last_duration_ms >= 0);
    table_add(table, row->last_error, STYLE_PLAIN);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void print_json(const struct delivery_page *page) {
    struct buffer json = {0};
    for (size_t i = 0; i < page->count; i++) {
        json_open(&json, NULL, '{');
        delivery_json(&json, &page->rows[i]);
        json_close(&json, '}');
        json_print(&json, false);
    }
    buffer_free(&json);
}

static void print_table(struct table *table, const struct delivery_page *page) {
    int64_t now = clock_now().wall_ms;
    for (size_t i = 0; i < page->count; i++)
        list_add(table, &page->rows[i], now);
    table_print(table, terminal_columns());
}

static void list_print(struct table *table, const struct list_settings *list,
                       const struct delivery_page *page) {
    if (list->json)
        print_json(page);
    else
        print_table(table, page);
}

/* Block by block, so that memory is bounded and no read transaction outlives a block. */
static int list_blocks(struct database *database, const struct list_settings *list,
                       const struct selection *selection, struct table *table,
                       struct error *error) {
    int64_t left = list->limit.given ? list->limit.value : LIST_LIMIT_USUAL;
    int64_t before_id = INT64_MAX, printed = 0;
    bool all = left == 0;
    while (all || left > 0) {
        int64_t rows = all || left > LIST_BLOCK_ROWS ? LIST_BLOCK_ROWS : left;
        struct delivery_page page;
        int r = inspection_list(database, selection, before_id, rows, &page, error);
        if (r)
            return r;
        list_print(table, list, &page);
        int64_t got = (int64_t)page.count;
        before_id = got ? page.rows[got - 1].id : 0;
        delivery_page_free(&page);
        printed += got;
        left -= got;
        if (got < rows)
            break;
    }
    if (!printed && !list->json && terminal_is_stdout())
        printf("no deliveries\n");
    return 0;
}

struct list_view {
    struct database *database;
    const struct list_settings *list;
    const struct selection *selection;
};

static int list_draw(void *context, struct error *error) {
    const struct list_view *view = context;
    struct table table;
    table_init(&table, list_columns, LIST_COLUMNS);
    int r = list_blocks(view->database, view->list, view->selection, &table, error);
    table_free(&table);
    return r;
}

static int list_run(const struct command *command, const void *settings, struct error *error) {
    const struct list_settings *list = settings;
    struct selection selection;
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r)
        r = filter_selection(&list->filter, &selection, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;

    struct list_view view = {&database, list, &selection};
    r = selection_check(&database, &selection, error);
    if (!r)
        r = watch_run(&list->watch, "outhook list", list->json, list_draw, &view, error);
    database_close(&database);
    return r;
}

const struct verb verb_list = {
    .name = "list",
    .summary = "list deliveries, newest first",
    .options = list_options,
    .settings_bytes = sizeof(struct list_settings),
    .run = list_run,
};
