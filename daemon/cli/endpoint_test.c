#include "outhook/base/clock.h"
#include "outhook/cli/endpoint.h"
#include "outhook/cli/json.h"
#include "outhook/cli/text.h"
#include "outhook/store/inspection.h"
#include "outhook/store/operator.h"
#include "outhook/store/overview.h"
#include "outhook/store/producer.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    TEST_TIMEOUT_USUAL_MS = 30000,
    TEST_LOOK_EVERY_MS = 50,
    TEST_ANSWER_BYTES = 400,
};

struct test_settings {
    struct option_number timeout;
    bool json;
};

#define FIELD(name) offsetof(struct test_settings, name)

static const struct option_row test_options[] = {
    {"timeout", "DURATION", OPTION_DURATION, FIELD(timeout), 0, 0,
     "How long to wait for the attempt; 30s by default."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print the outcome as JSON."},
    {0},
};

/* ---- the ping -------------------------------------------------------------------------------- */

static void ping_payload(struct buffer *payload, const struct endpoint_record *record) {
    json_open(payload, NULL, '{');
    json_text(payload, "type", "outhook.ping");
    json_integer(payload, "sent_at", clock_now().wall_ms);
    json_text(payload, "endpoint", endpoint_record_label(record));
    json_close(payload, '}');
}

/* Inserts it, and finds its delivery. */
static int ping_insert(struct database *database, const struct endpoint_record *record,
                       int64_t timeout_ms, int64_t *delivery_id, struct error *error) {
    struct buffer payload = {0};
    ping_payload(&payload, record);
    const struct producer_webhook webhook = {
        .type = "outhook.ping",
        .endpoint = record->name,
        .url = record->name ? NULL : record->settings[ENDPOINT_URL],
        .payload = payload.data,
        .payload_bytes = payload.length,
        .expires_at = clock_now().wall_ms + timeout_ms + 1,
    };
    struct producer_receipt receipt;
    struct delivery_page page;
    int r = producer_insert(database, &webhook, &receipt, error);
    buffer_free(&payload);
    if (r)
        return r;
    const struct selection selection = {.webhook = receipt.uid};
    r = inspection_list(database, &selection, INT64_MAX, 1, &page, error);
    if (!r && page.count)
        *delivery_id = page.rows[0].id;
    else if (!r)
        r = error_set(error, ERROR_FAILED, "the endpoint %.200s has just been removed",
                      endpoint_record_label(record));
    if (!r)
        delivery_page_free(&page);
    producer_receipt_free(&receipt);
    return r;
}

/* Leaves nothing behind that would still be sent. */
static int ping_cancel(struct database *database, int64_t delivery_id, struct error *error) {
    const struct selection_range range = {delivery_id, delivery_id};
    const struct selection selection = {.ranges = &range, .range_count = 1};
    const struct operator_change cancel = {.act = OPERATOR_CANCEL};
    struct operator_result result;
    return operator_change_all(database, &selection, &cancel, &result, NULL, NULL, error);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* Ctrl-C ends the waiting, and the ping with it. */
static void catch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int wait_refuse(struct database *database, int64_t timeout_ms, struct error *error) {
    struct buffer age = {0};
    text_append_age(&age, timeout_ms);
    int r = 0;
    if (interrupted)
        r = error_set(error, ERROR_STOPPED, "interrupted: the ping is cancelled");
    else if (!overview_daemon_runs(database, NULL))
        r = error_set(error, ERROR_FAILED, "outhookd has stopped: the ping is cancelled");
    else
        r = error_set(error, ERROR_FAILED,
                      "there was no attempt within %s, so the ping is cancelled: other deliveries "
                      "are before it, or the endpoint is left alone for a while after failures",
                      buffer_text(&age));
    buffer_free(&age);
    return r;
}

/* Waits until the delivery has an attempt, or an end without one. */
static int wait_for_attempt(struct database *database, int64_t delivery_id, int64_t timeout_ms,
                            struct delivery_story *story, struct error *error) {
    const struct timespec pause = {.tv_nsec = TEST_LOOK_EVERY_MS * 1000000L};
    int64_t until_ms = clock_now().mono_ms + timeout_ms;
    for (;;) {
        bool goes_on =
            !interrupted && clock_now().mono_ms < until_ms && overview_daemon_runs(database, NULL);
        int r = inspection_story(database, delivery_id, TEST_ANSWER_BYTES, story, error);
        if (r || story->attempt_count || story->delivery.finished_at)
            return r;
        delivery_story_free(story);
        if (!goes_on)
            return wait_refuse(database, timeout_ms, error);
        nanosleep(&pause, NULL);
    }
}

/* ---- the outcome ----------------------------------------------------------------------------- */

static void outcome_json(const struct delivery_story *story, const struct attempt_facts *attempt) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_integer(&json, "delivery_id", story->delivery.id);
    json_text(&json, "uid", story->delivery.uid);
    json_text(&json, "verdict", attempt->verdict);
    json_integer_or_null(&json, "status_code", attempt->status_code);
    json_integer(&json, "duration_ms", attempt->duration_ms);
    json_text(&json, "remote_address", attempt->remote_address);
    json_text(&json, "error", attempt->error);
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

static void outcome_print(const struct attempt_facts *attempt) {
    struct buffer line = {0}, safe = {0};
    buffer_print(&line, "%s, ", attempt->verdict);
    if (attempt->status_code)
        buffer_print(&line, "status %" PRId64 ", ", attempt->status_code);
    buffer_print(&line, "%" PRId64 " ms", attempt->duration_ms);
    if (attempt->remote_address)
        buffer_print(&line, ", from %s", attempt->remote_address);
    text_append(&safe, buffer_text(&line), line.length, TEXT_UNBOUNDED);
    printf("%s\n", buffer_text(&safe));
    buffer_free(&safe);
    buffer_free(&line);
}

static int outcome_tell(const struct endpoint_record *record, const struct delivery_story *story,
                        bool as_json, struct error *error) {
    if (!story->attempt_count)
        return error_set(error, ERROR_FAILED, "the ping is %s before any attempt",
                         story->delivery.status);
    const struct attempt_facts *attempt = &story->attempts[0];
    if (as_json)
        outcome_json(story, attempt);
    else
        outcome_print(attempt);
    if (!strcmp(attempt->verdict, "delivered"))
        return 0;
    struct buffer why = {0};
    if (attempt->error)
        text_append(&why, attempt->error, strlen(attempt->error), TEXT_UNBOUNDED);
    else
        buffer_print(&why, "it answered %" PRId64, attempt->status_code);
    int r = error_set(error, ERROR_FAILED, "%.200s did not take the ping: %.300s",
                      endpoint_record_label(record), buffer_text(&why));
    buffer_free(&why);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int test_check(const struct database *database, const struct endpoint_record *record,
                      struct error *error) {
    const char *label = endpoint_record_label(record);
    if (!overview_daemon_runs(database, NULL))
        return error_set(error, ERROR_FAILED,
                         "outhookd does not run on %.300s, so nothing would be sent",
                         database->path);
    if (!record->enabled)
        return error_set(error, ERROR_FAILED,
                         "%.200s is disabled (%.200s): outhook endpoint enable comes first", label,
                         record->disabled_reason ? record->disabled_reason : "by hand");
    return 0;
}

static int test_endpoint(struct database *database, const struct endpoint_record *record,
                         const struct test_settings *test, struct error *error) {
    int64_t timeout_ms = test->timeout.given ? test->timeout.value : TEST_TIMEOUT_USUAL_MS;
    int64_t delivery_id = 0;
    struct delivery_story story = {0};
    int r = test_check(database, record, error);
    if (!r) {
        catch_interrupts();
        r = ping_insert(database, record, timeout_ms, &delivery_id, error);
    }
    if (r)
        return r;
    r = wait_for_attempt(database, delivery_id, timeout_ms, &story, error);
    struct error trouble = {0};
    int cancelled = ping_cancel(database, delivery_id, &trouble);
    if (!r)
        r = outcome_tell(record, &story, test->json, error);
    if (!r && cancelled)
        r = error_set(error, cancelled, "%s", trouble.text);
    delivery_story_free(&story);
    return r;
}

static int test_run(const struct command *command, const void *settings, struct error *error) {
    struct endpoint_record record;
    struct database database;
    int r = endpoint_open(command, 1, DATABASE_PERSON, &database, &record, error);
    if (r)
        return r;
    r = test_endpoint(&database, &record, settings, error);
    endpoint_close(&database, &record);
    return r;
}

const struct verb verb_endpoint_test = {
    .within = "endpoint",
    .name = "test",
    .operands = "ENDPOINT",
    .summary = "send a ping to an endpoint, and print what came of it",
    .description =
        "The running daemon sends it, signed and limited as any other webhook. Its type is\n"
        "outhook.ping. It is tried once.",
    .options = test_options,
    .settings_bytes = sizeof(struct test_settings),
    .run = test_run,
};
