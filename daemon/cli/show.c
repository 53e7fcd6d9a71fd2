#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/cli/paragraph.h"
#include "outhook/cli/story_json.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/cli/watch.h"
#include "outhook/delivery/outcome.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOW_LABEL_COLUMNS = 12, SHOW_GLANCE_BYTES = 400, SHOW_PAGE_ROWS = 500 };

struct show_settings {
    bool json;
    struct watch watch;
};

static const struct option_row show_options[] = {
    {"json", NULL, OPTION_FLAG, offsetof(struct show_settings, json), 0, 0,
     "Print a JSON object a delivery, with the whole payload and whole answers."},
    WATCH_OPTIONS(struct show_settings, watch),
    {0},
};

/* ---- lines ----------------------------------------------------------------------------------- */

static void print_line(const char *label, struct buffer *line) {
    paragraph_print((struct paragraph){SHOW_LABEL_COLUMNS, STYLE_DIM, STYLE_PLAIN}, label, line);
}

static void append_part(struct buffer *line, const char *label, const char *text) {
    if (text)
        buffer_print(line, "%s%s%s", line->length ? ", " : "", label, text);
}

/* "17 bytes: {…", cut to what there is to see at a glance. */
static void print_glance(const char *label, const char *bytes, size_t kept, int64_t all) {
    struct buffer line = {0};
    text_append_bytes(&line, all);
    if (kept) {
        buffer_print(&line, ": ");
        buffer_append(&line, bytes, kept);
        if ((int64_t)kept < all)
            buffer_print(&line, "\xe2\x80\xa6");
    }
    print_line(label, &line);
    buffer_free(&line);
}

/* ---- for a person ---------------------------------------------------------------------------- */

static void print_webhook(const struct delivery_story *story, int64_t now) {
    const struct webhook_facts *webhook = &story->webhook;
    struct buffer line = {0};
    if (!webhook->id) {
        buffer_print(&line, "%" PRId64 ", which is gone", story->delivery.webhook_id);
        print_line("webhook", &line);
        buffer_free(&line);
        return;
    }
    buffer_print(&line, "%" PRId64, webhook->id);
    append_part(&line, "", webhook->uid);
    append_part(&line, "type ", webhook->type);
    append_part(&line, "dedup key ", webhook->dedup_key);
    print_line("webhook", &line);
    text_append_when(&line, webhook->created_at, now);
    print_line("enqueued", &line);
    append_part(&line, "", webhook->method);
    append_part(&line, "", webhook->content_type);
    append_part(&line, "headers ", webhook->headers);
    print_line("request", &line);
    print_glance("payload", webhook->payload, webhook->payload_kept, webhook->payload_bytes);
    buffer_free(&line);
}

static void print_endpoint(const struct delivery_story *story) {
    const struct endpoint_facts *endpoint = &story->endpoint;
    struct buffer line = {0};
    if (endpoint->id) {
        append_part(&line, "", endpoint->name);
        append_part(&line, "", endpoint->url);
        if (!endpoint->enabled)
            buffer_print(&line, ", disabled");
    } else {
        buffer_print(&line, "%" PRId64 ", which is gone", story->delivery.endpoint_id);
    }
    print_line("endpoint", &line);
    buffer_free(&line);
}

static void print_attempt(const struct attempt_facts *attempt) {
    struct buffer line = {0};
    char label[32];
    snprintf(label, sizeof label, "attempt %" PRId64, attempt->number);
    text_append_time(&line, attempt->started_at);
    buffer_print(&line, ", %" PRId64 " ms, %s", attempt->duration_ms, attempt->verdict);
    if (attempt->status_code)
        buffer_print(&line, ", status %" PRId64, attempt->status_code);
    append_part(&line, "from ", attempt->remote_address);
    if (attempt->phase && strcmp(attempt->verdict, "delivered") != 0)
        buffer_print(&line, ", ended %s", phase_meaning(phase_of_name(attempt->phase)));
    bool good = !strcmp(attempt->verdict, "delivered");
    paragraph_print(
        (struct paragraph){SHOW_LABEL_COLUMNS, good ? STYLE_GOOD : STYLE_BAD, STYLE_PLAIN}, label,
        &line);
    if (attempt->error) {
        buffer_print(&line, "%s", attempt->error);
        print_line("", &line);
    }
    if (attempt->response_body_bytes)
        print_glance("", attempt->response_body, attempt->response_body_kept,
                     attempt->response_body_bytes);
    buffer_free(&line);
}

/* ---- what comes next ------------------------------------------------------------------------- */

/* What keeps a delivery that is due from being sent, or from being sent at once. */
static void append_next_due(struct buffer *line, const struct delivery_story *story,
                            int64_t number) {
    if (!story->daemon_runs)
        buffer_print(line,
                     "attempt %" PRId64 " is due, and outhookd does not run: start it, for "
                     "example with systemctl start outhookd",
                     number);
    else if (story->held_up)
        buffer_print(line, "attempt %" PRId64 " is due; its endpoint is held up: %s", number,
                     story->held_up);
    else
        buffer_print(line, "attempt %" PRId64 " is due now", number);
}

static void append_next_pending(struct buffer *line, const struct delivery_story *story,
                                int64_t now) {
    const struct delivery_facts *delivery = &story->delivery;
    int64_t number = delivery->attempts_before + delivery->attempts + 1;
    if (!story->endpoint.id) {
        buffer_print(line, "nothing: its endpoint is gone; outhook cancel %" PRId64 " ends it",
                     delivery->id);
    } else if (delivery->held) {
        buffer_print(line, "waits on hold: outhook release %" PRId64 " lets it go", delivery->id);
    } else if (!story->endpoint.enabled) {
        buffer_print(line, "waits until its endpoint is enabled again: %s",
                     story->endpoint.disabled_reason ? story->endpoint.disabled_reason
                                                     : "it is disabled");
    } else if (story->earlier_pending) {
        buffer_print(line,
                     "attempt %" PRId64 " after the endpoint's earlier deliveries, for it is "
                     "ordered%s%s",
                     number, story->held_up ? "; the endpoint: " : "",
                     story->held_up ? story->held_up : "");
    } else if (delivery->due_at <= now) {
        append_next_due(line, story, number);
    } else {
        buffer_print(line, "attempt %" PRId64 " at ", number);
        text_append_when(line, delivery->due_at, now);
    }
    if (delivery->expires_at) {
        buffer_print(line, "; expires at ");
        text_append_when(line, delivery->expires_at, now);
    }
}

static void append_next_finished(struct buffer *line, const struct delivery_story *story) {
    const struct delivery_facts *delivery = &story->delivery;
    if (!strcmp(delivery->status, "delivered"))
        buffer_print(line, "nothing, it has arrived");
    else if (!story->endpoint.id || !story->webhook.id)
        buffer_print(line, "nothing, and it can't be replayed: its %s is gone",
                     story->webhook.id ? "endpoint" : "webhook");
    else
        buffer_print(line, "nothing; outhook replay %" PRId64 " sends it again", delivery->id);
}

static void print_status(const struct delivery_story *story, int64_t now) {
    const struct delivery_facts *delivery = &story->delivery;
    struct buffer line = {0};
    buffer_print(&line, "%" PRId64 ", ", delivery->id);
    buffer_print(&line, "%s", delivery->status);
    if (delivery->finished_at) {
        buffer_print(&line, " at ");
        text_append_when(&line, delivery->finished_at, now);
    }
    buffer_print(&line, ", %" PRId64 " attempt%s", delivery->attempts,
                 delivery->attempts == 1 ? "" : "s");
    if (delivery->attempts_before)
        buffer_print(&line, " since its replay, %" PRId64 " before", delivery->attempts_before);
    paragraph_print(
        (struct paragraph){SHOW_LABEL_COLUMNS, STYLE_DIM, terminal_status_style(delivery->status)},
        "delivery", &line);
    buffer_free(&line);
}

static void print_next(const struct delivery_story *story, int64_t now) {
    struct buffer line = {0};
    if (story->delivery.finished_at)
        append_next_finished(&line, story);
    else
        append_next_pending(&line, story, now);
    print_line("next", &line);
    buffer_free(&line);
}

/* What the delivery's own row knows of attempts that retention has removed. */
static void print_last_attempt(const struct delivery_facts *delivery) {
    struct buffer line = {0};
    buffer_print(&line, "attempts older than retain_attempts are gone; the last one ended with ");
    if (delivery->last_status_code)
        buffer_print(&line, "status %" PRId64 "%s", delivery->last_status_code,
                     delivery->last_error ? ": " : "");
    buffer_print(&line, "%s", delivery->last_error ? delivery->last_error : "");
    print_line("attempts", &line);
    buffer_free(&line);
}

static void story_print(const struct delivery_story *story) {
    int64_t now = clock_now().wall_ms;
    print_status(story, now);
    print_webhook(story, now);
    print_endpoint(story);
    for (size_t i = 0; i < story->attempt_count; i++)
        print_attempt(&story->attempts[i]);
    if (!story->attempt_count && (story->delivery.last_status_code || story->delivery.last_error))
        print_last_attempt(&story->delivery);
    print_next(story, now);
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int show_delivery(struct database *database, const struct show_settings *show, int64_t id,
                         struct error *error) {
    struct delivery_story story;
    int64_t bytes = show->json ? INT32_MAX : SHOW_GLANCE_BYTES;
    int r = inspection_story(database, id, bytes, &story, error);
    if (r)
        return r;
    if (show->json)
        story_json_print(&story);
    else
        story_print(&story);
    delivery_story_free(&story);
    return 0;
}

/* Every delivery of a webhook, the newest first, a block of them at a time. */
static int show_webhook(struct database *database, const struct show_settings *show,
                        const char *uid, struct error *error) {
    const struct selection selection = {.webhook = uid};
    int64_t before_id = INT64_MAX, shown = 0;
    int r = selection_check(database, &selection, error);
    while (!r && before_id) {
        struct delivery_page page;
        r = inspection_list(database, &selection, before_id, SHOW_PAGE_ROWS, &page, error);
        if (r)
            return r;
        before_id = page.count == SHOW_PAGE_ROWS ? page.rows[page.count - 1].id : 0;
        for (size_t i = 0; !r && i < page.count; i++) {
            if (shown++ && !show->json)
                printf("\n");
            r = show_delivery(database, show, page.rows[i].id, error);
        }
        delivery_page_free(&page);
    }
    if (!r && !shown)
        r = error_set(error, ERROR_FAILED,
                      "the webhook %.200s has no delivery: no endpoint subscribed to its type when "
                      "it was enqueued",
                      uid);
    return r;
}

/* A delivery's number, or a webhook's uid, which is anything else. */
static bool parse_id(const char *text, int64_t *id) {
    size_t length = strlen(text);
    if (!length || length > 18 || strspn(text, "0123456789") != length)
        return false;
    *id = strtoll(text, NULL, 10);
    return true;
}

struct show_view {
    struct database *database;
    const struct show_settings *show;
    const char *operand;
};

static int show_draw(void *context, struct error *error) {
    const struct show_view *view = context;
    int64_t id = 0;
    return parse_id(view->operand, &id)
               ? show_delivery(view->database, view->show, id, error)
               : show_webhook(view->database, view->show, view->operand, error);
}

static int show_run(const struct command *command, const void *settings, struct error *error) {
    const struct show_settings *show = settings;
    if (!command->argc)
        return error_set(error, ERROR_USAGE,
                         "which one? Give a delivery's id, as outhook list shows it, or a "
                         "webhook's uid, msg_…");
    struct database database;
    int r = command_operands(command, 1, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    struct show_view view = {&database, show, command->argv[0]};
    r = watch_run(&show->watch, "outhook show", show->json, show_draw, &view, error);
    database_close(&database);
    return r;
}

const struct verb verb_show = {
    .name = "show",
    .operands = "ID",
    .summary = "show a delivery's whole story",
    .description = "ID is a delivery's number, or a webhook's uid (msg_…), which shows all its "
                   "deliveries.",
    .options = show_options,
    .settings_bytes = sizeof(struct show_settings),
    .run = show_run,
};
