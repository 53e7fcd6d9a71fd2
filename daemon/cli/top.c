#include "outhook/base/clock.h"
#include "outhook/cli/activity_window.h"
#include "outhook/cli/glance_text.h"
#include "outhook/cli/json.h"
#include "outhook/cli/paragraph.h"
#include "outhook/cli/screen.h"
#include "outhook/cli/table.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TOP_LABEL_COLUMNS = 12,
    TOP_HEAD_ROWS = 6, /* above the table's rows */
    TOP_ROWS_MAX = 100,
    TOP_ROWS_PIPE = 20,
    TOP_EVERY_MS = 1000,
    TOP_LEAST_MS = 100,
    TOP_MOST_MS = 60000,
};

struct top_settings {
    const char *sort;
    struct option_number every, frames;
    bool json;
};

#define FIELD(name) offsetof(struct top_settings, name)

static const struct option_row top_options[] = {
    {"every", "DURATION", OPTION_DURATION, FIELD(every), 0, 0,
     "Look again so often: from 100ms to 60s; 1s unless given."},
    {"frames", "N", OPTION_INTEGER, FIELD(frames), 1, 1000000000, "End after so many looks."},
    {"sort", "ORDER", OPTION_TEXT, FIELD(sort), 0, 0,
     "Which endpoints come first: failing (the usual), rate, slow or backlog."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object a line for each look."},
    {0},
};

/* A letter on the keyboard is the first of the order's word. */
static const struct {
    const char *word;
    enum activity_order order;
} orders[] = {
    {"failing", ACTIVITY_FAILING},
    {"rate", ACTIVITY_RATE},
    {"slow", ACTIVITY_SLOW},
    {"backlog", ACTIVITY_BACKLOG},
};

enum { ORDER_COUNT = sizeof orders / sizeof *orders };

struct top {
    struct database *database;
    const struct top_settings *settings;
    struct activity activity;
    struct activity_window window;
    struct glance glance;
    int64_t every_ms, looked_at; /* mono ms */
    size_t order;
    bool stands_still;
};

/* ---- looking --------------------------------------------------------------------------------- */

/* Takes in what has happened since the last look. */
static int top_look(struct top *top, struct error *error) {
    struct activity_page page;
    struct now now = clock_now();
    int r = activity_read(&top->activity, &page, error);
    if (r)
        return r;
    activity_window_add(&top->window, &page, now.mono_ms - top->looked_at);
    activity_page_free(&page);
    top->looked_at = now.mono_ms;
    r = glance_read(top->database, &top->glance, error);
    return r ? r : activity_window_hold(&top->window, top->database, &top->glance, error);
}

/* ---- for a person ---------------------------------------------------------------------------- */

static const struct table_column top_columns[] = {
    {"ENDPOINT", 10, 0, false}, {"OK/S", 0, 0, true},
    {"FAILED/S", 0, 0, true},   {"TIME", 0, 2, true},
    {"LONGEST", 0, 4, true},    {"PENDING", 0, 1, true},
    {"OLDEST", 0, 3, true},     {"WHAT IS WRONG", 14, 0, false},
};

enum { TOP_COLUMNS = sizeof top_columns / sizeof *top_columns };

static void append_rate(struct buffer *text, int64_t count, int64_t ms) {
    double rate = ms ? (double)count * 1000 / (double)ms : 0;
    buffer_print(text, rate >= 100 || count == 0 ? "%.0f" : "%.1f", rate);
}

static void add_rate(struct table *table, int64_t count, int64_t ms, enum terminal_style style) {
    struct buffer text = {0};
    append_rate(&text, count, ms);
    table_add(table, buffer_text(&text), count ? style : STYLE_DIM);
    buffer_free(&text);
}

static void add_pending(struct table *table, int64_t pending) {
    struct buffer text = {0};
    bool more = pending > BACKLOG_COUNT_MAX;
    buffer_print(&text, "%s%" PRId64, more ? ">" : "", pending - more);
    table_add(table, buffer_text(&text), STYLE_PLAIN);
    buffer_free(&text);
}

static void add_lane(struct table *table, const struct activity_lane *lane,
                     const struct activity_endpoint *endpoint, int64_t window_ms) {
    const struct activity_count *sum = &lane->sum;
    int64_t calls = sum->delivered + sum->failed;
    const char *wrong = endpoint->held_up ? endpoint->held_up : sum->failed ? lane->error : NULL;
    table_add(table, endpoint->label ? endpoint->label : "(gone)", STYLE_PLAIN);
    add_rate(table, sum->delivered, window_ms, STYLE_GOOD);
    add_rate(table, sum->failed, window_ms, STYLE_BAD);
    table_add_age(table, calls ? sum->duration_ms / calls : 0, calls != 0);
    table_add_age(table, sum->longest_ms, calls != 0);
    add_pending(table, endpoint->pending);
    table_add_age(table, clock_now().wall_ms - endpoint->oldest_created_at,
                  endpoint->oldest_created_at != 0);
    table_add(table, wrong, endpoint->held_up ? STYLE_WARN : STYLE_BAD);
}

static int top_table(struct top *top, struct error *error) {
    int rows = screen_is_drawn() ? screen_rows() - TOP_HEAD_ROWS : TOP_ROWS_PIPE;
    struct activity_lane **lanes;
    size_t count = activity_window_first(&top->window, orders[top->order].order,
                                         rows < TOP_ROWS_MAX ? (size_t)rows : TOP_ROWS_MAX, &lanes);
    struct table table;
    int r = 0;
    table_init(&table, top_columns, TOP_COLUMNS);
    for (size_t i = 0; !r && i < count; i++) {
        struct activity_endpoint endpoint;
        r = activity_endpoint(top->database, lanes[i]->endpoint_id, top->glance.daemon_runs,
                              &endpoint, error);
        if (!r)
            add_lane(&table, lanes[i], &endpoint, top->window.ms);
        activity_endpoint_free(&endpoint);
    }
    if (!r)
        table_print(&table, terminal_columns());
    table_free(&table);
    activity_window_free_first(lanes);
    return r;
}

static void print_line(const char *label, struct buffer *line) {
    struct buffer cut = {0};
    text_append(&cut, buffer_text(line), line->length, terminal_columns() - TOP_LABEL_COLUMNS);
    paragraph_print((struct paragraph){TOP_LABEL_COLUMNS, STYLE_DIM, STYLE_PLAIN}, label, &cut);
    buffer_clear(line);
    buffer_free(&cut);
}

/* Without the date, the keys have room in 60 columns. */
static void top_title_text(const struct top *top, bool in_full, struct buffer *text) {
    struct buffer time = {0};
    text_append_time(&time, clock_now().wall_ms);
    if (in_full)
        buffer_append(text, time.data, time.length);
    else
        buffer_print(text, "%.*s", (int)sizeof "hh:mm:ss" - 1,
                     buffer_text(&time) + sizeof "yyyy-mm-dd " - 1);
    buffer_print(text, top->stands_still ? ", stands still" : ", the last ");
    if (!top->stands_still)
        text_append_age(text, top->window.ms);
    buffer_print(text, ", %s first", orders[top->order].word);
    if (screen_is_drawn())
        buffer_print(text, "; %sf r s b, space, q", in_full ? "keys: " : "");
    buffer_free(&time);
}

static void top_title(const struct top *top) {
    struct buffer text = {0}, line = {0};
    top_title_text(top, true, &text);
    if (text.length > (size_t)terminal_columns()) {
        buffer_clear(&text);
        top_title_text(top, false, &text);
    }
    text_append(&line, buffer_text(&text), text.length, terminal_columns());
    printf("%s%s%s\n", terminal_style(STYLE_DIM), buffer_text(&line), terminal_style(STYLE_PLAIN));
    buffer_free(&text);
    buffer_free(&line);
}

static void top_rates(const struct top *top, struct buffer *line) {
    const struct activity_window *window = &top->window;
    append_rate(line, window->sum.delivered, window->ms);
    buffer_print(line, "/s delivered, ");
    append_rate(line, window->sum.failed, window->ms);
    buffer_print(line, "/s failed, ");
    append_rate(line, window->sum.enqueued, window->ms);
    buffer_print(line, "/s enqueued");
}

static int top_print(struct top *top, struct error *error) {
    struct buffer line = {0};
    screen_begin();
    top_title(top);
    glance_append_daemon(&line, &top->glance, clock_now().wall_ms);
    print_line("outhookd", &line);
    glance_append_pending(&line, &top->glance, clock_now().wall_ms);
    print_line("pending", &line);
    top_rates(top, &line);
    print_line("calls", &line);
    printf("\n");
    int r = top_table(top, error);
    screen_end(true);
    buffer_free(&line);
    return r;
}

/* ---- for a program --------------------------------------------------------------------------- */

static void lane_json(struct buffer *json, const struct activity_lane *lane,
                      const struct activity_endpoint *endpoint) {
    const struct activity_count *last = &lane->last;
    json_open(json, NULL, '{');
    json_integer(json, "endpoint_id", lane->endpoint_id);
    json_text(json, "endpoint", endpoint->label);
    json_integer(json, "delivered", last->delivered);
    json_integer(json, "failed", last->failed);
    json_integer(json, "duration_ms", last->duration_ms);
    json_integer(json, "longest_ms", last->longest_ms);
    json_integer(json, "pending_up_to_10001", endpoint->pending);
    json_integer_or_null(json, "oldest_due_created_at", endpoint->oldest_created_at);
    json_text(json, "held_up", endpoint->held_up);
    json_text(json, "last_error", lane->error);
    json_close(json, '}');
}

static int top_json(struct top *top, struct error *error) {
    struct buffer json = {0};
    struct activity_lane **lanes;
    size_t count =
        activity_window_first(&top->window, orders[top->order].order, TOP_ROWS_MAX, &lanes);
    int r = 0;
    json_open(&json, NULL, '{');
    json_integer(&json, "at", clock_now().wall_ms);
    json_integer(&json, "interval_ms", top->window.last.ms);
    json_integer(&json, "delivered", top->window.last.delivered);
    json_integer(&json, "failed", top->window.last.failed);
    json_integer(&json, "enqueued", top->window.last.enqueued);
    glance_json(&json, &top->glance, clock_now().wall_ms);
    json_open(&json, "endpoints", '[');
    for (size_t i = 0; !r && i < count; i++) {
        struct activity_endpoint endpoint;
        r = activity_endpoint(top->database, lanes[i]->endpoint_id, top->glance.daemon_runs,
                              &endpoint, error);
        if (!r)
            lane_json(&json, lanes[i], &endpoint);
        activity_endpoint_free(&endpoint);
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_print(&json, true);
    buffer_free(&json);
    activity_window_free_first(lanes);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static void top_key(struct top *top, int key) {
    for (size_t i = 0; i < ORDER_COUNT; i++)
        if (orders[i].word[0] == key)
            top->order = i;
    if (key == ' ')
        top->stands_still = !top->stands_still;
}

/* Waits for the time of the next look; keys that change the picture change it at once. */
static int top_wait(struct top *top, struct error *error) {
    for (;;) {
        int64_t left_ms = top->looked_at + top->every_ms - clock_now().mono_ms;
        if (top->stands_still)
            left_ms = TOP_MOST_MS;
        else if (left_ms <= 0)
            return 0;
        int key = screen_wait(left_ms);
        if (key == SCREEN_END)
            return SCREEN_END;
        top_key(top, key);
        int r = screen_is_drawn() && !top->settings->json ? top_print(top, error) : 0;
        if (r)
            return r;
    }
}

static int top_loop(struct top *top, struct error *error) {
    int64_t left = top->settings->frames.given ? top->settings->frames.value : INT64_MAX;
    int r = glance_read(top->database, &top->glance, error);
    if (!r)
        r = activity_window_hold(&top->window, top->database, &top->glance, error);
    if (!r && screen_is_drawn() && !top->settings->json)
        r = top_print(top, error);
    while (!r && left-- > 0) {
        r = top_wait(top, error);
        if (!r)
            r = top_look(top, error);
        if (!r)
            r = top->settings->json ? top_json(top, error) : top_print(top, error);
    }
    return r == SCREEN_END ? 0 : r;
}

static int top_order(const struct top_settings *settings, size_t *order, struct error *error) {
    for (*order = 0; settings->sort && *order < ORDER_COUNT; ++*order)
        if (!strcmp(settings->sort, orders[*order].word))
            return 0;
    if (!settings->sort)
        return 0;
    return error_set(error, ERROR_USAGE,
                     "--sort %.100s: it has to be failing, rate, slow or backlog", settings->sort);
}

static int top_run(const struct command *command, const void *settings, struct error *error) {
    struct database database;
    struct top top = {.settings = settings, .database = &database};
    top.every_ms = top.settings->every.given ? top.settings->every.value : TOP_EVERY_MS;
    int r = command_operands(command, 0, error);
    if (!r && (top.every_ms < TOP_LEAST_MS || top.every_ms > TOP_MOST_MS))
        r = error_set(error, ERROR_USAGE, "--every has to be from 100ms to 60s");
    if (!r)
        r = top_order(top.settings, &top.order, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    r = activity_open(&top.activity, &database, error);
    top.looked_at = clock_now().mono_ms;
    screen_open();
    if (!r)
        r = top_loop(&top, error);
    screen_close();
    activity_window_free(&top.window);
    database_close(&database);
    return r;
}

const struct verb verb_top = {
    .name = "top",
    .summary = "watch rates, the backlog, and slow and failing endpoints",
    .description =
        "The rates are those of the last ten looks. TIME is how long a call took on\n"
        "average then, LONGEST how long the slowest took. Endpoints that are held up\n"
        "while something waits for them are among those shown, whether or not they were\n"
        "called. The keys f, r, s and b choose which come first: failing ones, busy ones\n"
        "(rate), slow ones, or those with the largest backlog. The space bar lets the\n"
        "picture stand still, and go on; q ends it.",
    .options = top_options,
    .settings_bytes = sizeof(struct top_settings),
    .run = top_run,
};
