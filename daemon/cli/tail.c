#include "outhook/cli/filter.h"
#include "outhook/cli/json.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/store/attempt_feed.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TAIL_LINES_USUAL = 10, TAIL_LOOK_EVERY_MS = 100, TAIL_ENDPOINT_COLUMNS = 24 };

struct tail_settings {
    struct filter filter;
    struct option_number lines;
    bool failed, no_follow, json;
};

#define FIELD(name) offsetof(struct tail_settings, name)

static const struct option_row tail_options[] = {
    {"lines", "N", OPTION_INTEGER, FIELD(lines), 0, 100000,
     "Begin with so many that were there before; 10 unless given."},
    {"failed", NULL, OPTION_FLAG, FIELD(failed), 0, 0, "Only attempts that did not deliver."},
    {"no-follow", NULL, OPTION_FLAG, FIELD(no_follow), 0, 0, "End after those that are there."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object a line."},
    FILTER_OPTIONS(struct tail_settings, filter),
    {0},
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* Ctrl-C is the way to end it, and no failure. */
static void tail_catch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void tail_json(const struct attempt_news *news) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_integer(&json, "id", news->id);
    json_integer(&json, "delivery_id", news->delivery_id);
    json_integer(&json, "webhook_id", news->webhook_id);
    json_integer(&json, "number", news->number);
    json_text(&json, "endpoint", news->endpoint);
    json_text(&json, "type", news->type);
    json_text(&json, "verdict", news->verdict);
    json_integer_or_null(&json, "status_code", news->status_code);
    json_integer(&json, "started_at", news->started_at);
    json_integer(&json, "duration_ms", news->duration_ms);
    json_text(&json, "remote_address", news->remote_address);
    json_text(&json, "error", news->error);
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

/* "12:00:00  delivered    200   12ms  17/1  billing  invoice.paid" and what was wrong. */
static void tail_line(const struct attempt_news *news) {
    struct buffer when = {0}, took = {0}, rest = {0}, line = {0};
    const char *endpoint = news->endpoint ? news->endpoint : "(gone)";
    bool good = !strcmp(news->verdict, "delivered");
    char code[8] = "-";
    text_append_time(&when, news->started_at); /* of which the hours are what counts here */
    text_append_age(&took, news->duration_ms);
    if (news->status_code)
        snprintf(code, sizeof code, "%" PRId64, news->status_code);
    buffer_print(&line, "%.8s  ", buffer_text(&when) + sizeof "2026-01-01");
    printf("%s%s%-11s%s  ", buffer_text(&line), terminal_style(good ? STYLE_GOOD : STYLE_BAD),
           news->verdict, terminal_style(STYLE_PLAIN));
    size_t used = line.length + 13;
    buffer_clear(&line);
    buffer_print(&rest, "%3s  %5s  %" PRId64 "/%" PRId64 "  ", code, buffer_text(&took),
                 news->delivery_id, news->number);
    text_append(&rest, endpoint, strlen(endpoint), TAIL_ENDPOINT_COLUMNS);
    buffer_print(&rest, "%s%s%s%s", news->type ? "  " : "", news->type ? news->type : "",
                 news->error ? "  " : "", news->error ? news->error : "");
    text_append(&line, buffer_text(&rest), rest.length, terminal_columns() - (int)used);
    printf("%s\n", buffer_text(&line));
    buffer_free(&when);
    buffer_free(&took);
    buffer_free(&rest);
    buffer_free(&line);
}

static int tail_read(struct attempt_feed *feed, bool as_json, struct error *error) {
    bool more = true;
    int r = 0;
    while (!r && more && !interrupted) {
        struct attempt_news_page page;
        r = attempt_feed_read(feed, &page, &more, error);
        for (size_t i = 0; !r && i < page.count; i++)
            (as_json ? tail_json : tail_line)(&page.rows[i]);
        if (!r)
            attempt_news_page_free(&page);
    }
    fflush(stdout);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int tail_follow(struct database *database, const struct tail_settings *tail,
                       const struct selection *selection, struct error *error) {
    struct attempt_feed feed;
    int64_t lines = tail->lines.given ? tail->lines.value : TAIL_LINES_USUAL;
    int r = selection_check(database, selection, error);
    if (!r)
        r = attempt_feed_open(&feed, database, selection, tail->failed, lines, error);
    tail_catch_interrupts();
    while (!r && !interrupted && !ferror(stdout)) {
        r = tail_read(&feed, tail->json, error);
        if (tail->no_follow)
            break;
        nanosleep(&(struct timespec){.tv_nsec = TAIL_LOOK_EVERY_MS * 1000000}, NULL);
    }
    return r;
}

static int tail_run(const struct command *command, const void *settings, struct error *error) {
    const struct tail_settings *tail = settings;
    struct selection selection;
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r)
        r = filter_selection(&tail->filter, &selection, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    r = tail_follow(&database, tail, &selection, error);
    database_close(&database);
    return r;
}

const struct verb verb_tail = {
    .name = "tail",
    .summary = "print attempts as they are made, a line each",
    .description =
        "A line: when (UTC), what came of it, the status, how long it took, delivery and\n"
        "number of the attempt, endpoint, type, and what was wrong. Ctrl-C ends it.",
    .options = tail_options,
    .settings_bytes = sizeof(struct tail_settings),
    .run = tail_run,
};
