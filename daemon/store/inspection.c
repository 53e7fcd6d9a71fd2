#include "outhook/store/inspection.h"

#include "outhook/base/memory.h"
#include "outhook/store/database.h"
#include "outhook/store/overview.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define DELIVERY_COLUMNS                                                                           \
    "d.id, d.webhook_id, d.endpoint_id, d.status, d.attempts, d.attempts_before, "                 \
    "coalesce(d.retry_at, d.held_due_at, d.due_at), "                                              \
    "d.expires_at, d.created_at, d.finished_at, d.last_status_code, d.last_error, "                \
    "coalesce(d.last_duration_ms, -1), w.uid, w.type, coalesce(e.name, e.url), d.held"
#define DELIVERY_TABLES                                                                            \
    " FROM deliveries AS d LEFT JOIN webhooks AS w ON w.id = d.webhook_id "                        \
    "LEFT JOIN endpoints AS e ON e.id = d.endpoint_id WHERE true"

/* ---- deliveries ------------------------------------------------------------------------------ */

static void delivery_read(sqlite3_stmt *row, struct delivery_facts *delivery) {
    *delivery = (struct delivery_facts){
        .id = sqlite3_column_int64(row, 0),
        .webhook_id = sqlite3_column_int64(row, 1),
        .endpoint_id = sqlite3_column_int64(row, 2),
        .status = database_text(row, 3),
        .attempts = sqlite3_column_int64(row, 4),
        .attempts_before = sqlite3_column_int64(row, 5),
        .due_at = sqlite3_column_int64(row, 6),
        .expires_at = sqlite3_column_int64(row, 7),
        .created_at = sqlite3_column_int64(row, 8),
        .finished_at = sqlite3_column_int64(row, 9),
        .last_status_code = sqlite3_column_int64(row, 10),
        .last_error = database_text(row, 11),
        .last_duration_ms = sqlite3_column_int64(row, 12),
        .uid = database_text(row, 13),
        .type = database_text(row, 14),
        .endpoint = database_text(row, 15),
        .held = sqlite3_column_int(row, 16) != 0,
    };
}

static void delivery_facts_free(struct delivery_facts *delivery) {
    free(delivery->status);
    free(delivery->last_error);
    free(delivery->uid);
    free(delivery->type);
    free(delivery->endpoint);
}

void delivery_page_free(struct delivery_page *page) {
    for (size_t i = 0; i < page->count; i++)
        delivery_facts_free(&page->rows[i]);
    free(page->rows);
    *page = (struct delivery_page){0};
}

static void page_add(struct delivery_page *page, sqlite3_stmt *row) {
    page->rows = memory_resize(page->rows, page->count + 1, sizeof *page->rows);
    delivery_read(row, &page->rows[page->count++]);
}

int inspection_list(struct database *database, const struct selection *selection, int64_t before_id,
                    int64_t limit, struct delivery_page *page, struct error *error) {
    *page = (struct delivery_page){0};
    struct buffer sql = {0};
    buffer_print(&sql, "SELECT " DELIVERY_COLUMNS DELIVERY_TABLES " AND d.id < %" PRId64,
                 before_id);
    selection_append(selection, &sql);
    buffer_print(&sql, " ORDER BY d.id DESC LIMIT %" PRId64, limit);

    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (r)
        return r;
    selection_bind(selection, statement);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        page_add(page, statement);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the deliveries", error);
    sqlite3_finalize(statement);
    if (r)
        delivery_page_free(page);
    return r;
}

/* ---- one delivery's story -------------------------------------------------------------------- */

static char *bytes_copy(sqlite3_stmt *row, int column, size_t *length) {
    const void *bytes = sqlite3_column_blob(row, column);
    *length = (size_t)sqlite3_column_bytes(row, column);
    if (!bytes && sqlite3_column_type(row, column) == SQLITE_NULL)
        return NULL;
    char *copy = memory_new(*length + 1, 1);
    if (*length)
        memcpy(copy, bytes, *length);
    return copy;
}

static void story_read_delivery(sqlite3_stmt *row, struct delivery_story *story) {
    delivery_read(row, &story->delivery);
}

static void story_read_webhook(sqlite3_stmt *row, struct delivery_story *story) {
    struct webhook_facts *webhook = &story->webhook;
    webhook->id = sqlite3_column_int64(row, 0);
    webhook->uid = database_text(row, 1);
    webhook->type = database_text(row, 2);
    webhook->method = database_text(row, 3);
    webhook->content_type = database_text(row, 4);
    webhook->dedup_key = database_text(row, 5);
    webhook->headers = database_text(row, 6);
    webhook->deliver_at = sqlite3_column_int64(row, 7);
    webhook->expires_at = sqlite3_column_int64(row, 8);
    webhook->created_at = sqlite3_column_int64(row, 9);
    webhook->payload_bytes = sqlite3_column_int64(row, 10);
    webhook->payload = bytes_copy(row, 11, &webhook->payload_kept);
}

static void story_read_endpoint(sqlite3_stmt *row, struct delivery_story *story) {
    story->endpoint = (struct endpoint_facts){
        .id = sqlite3_column_int64(row, 0),
        .name = database_text(row, 1),
        .url = database_text(row, 2),
        .enabled = sqlite3_column_int(row, 3),
        .disabled_reason = database_text(row, 4),
        .disabled_at = sqlite3_column_int64(row, 5),
        .ordered = sqlite3_column_int(row, 6),
    };
    story->earlier_pending = sqlite3_column_int(row, 7);
}

static void story_read_attempt(sqlite3_stmt *row, struct delivery_story *story) {
    story->attempts =
        memory_resize(story->attempts, story->attempt_count + 1, sizeof *story->attempts);
    struct attempt_facts *attempt = &story->attempts[story->attempt_count++];
    attempt->number = sqlite3_column_int64(row, 0);
    attempt->verdict = database_text(row, 1);
    attempt->started_at = sqlite3_column_int64(row, 2);
    attempt->duration_ms = sqlite3_column_int64(row, 3);
    attempt->status_code = sqlite3_column_int64(row, 4);
    attempt->error = database_text(row, 5);
    attempt->remote_address = database_text(row, 6);
    attempt->response_headers = database_text(row, 7);
    attempt->response_body_bytes = sqlite3_column_int64(row, 8);
    attempt->response_body = bytes_copy(row, 9, &attempt->response_body_kept);
    attempt->phase = database_text(row, 10);
}

/* Only a daemon that runs keeps this true. */
static void story_read_gate(sqlite3_stmt *row, struct delivery_story *story) {
    if (story->daemon_runs)
        story->held_up = database_text(row, 0);
}

/* In this order, for the first one decides whether there is a story at all. ?1 is the delivery, ?2
 * how many bytes. */
static const struct chapter {
    const char *sql;
    void (*read)(sqlite3_stmt *row, struct delivery_story *story);
} chapters[] = {
    {"SELECT " DELIVERY_COLUMNS DELIVERY_TABLES " AND d.id = ?1", story_read_delivery},
    {"SELECT id, uid, type, method, content_type, dedup_key, "
     "CASE WHEN json_valid(headers) THEN json(headers) END, deliver_at, expires_at, created_at, "
     "length(CAST(payload AS BLOB)), substr(CAST(payload AS BLOB), 1, ?2) "
     "FROM webhooks WHERE id = (SELECT webhook_id FROM deliveries WHERE id = ?1)",
     story_read_webhook},
    {"SELECT e.id, e.name, e.url, e.enabled, e.disabled_reason, e.disabled_at, e.ordered, "
     "e.ordered AND EXISTS (SELECT 1 FROM deliveries AS o WHERE o.endpoint_id = e.id "
     "AND o.status = 'pending' AND (o.due_at, o.id) < (d.due_at, d.id)) "
     "FROM deliveries AS d JOIN endpoints AS e ON e.id = d.endpoint_id WHERE d.id = ?1",
     story_read_endpoint},
    {"SELECT number, verdict, started_at, duration_ms, status_code, error, remote_address, "
     "response_headers, length(CAST(response_body AS BLOB)), "
     "substr(CAST(response_body AS BLOB), 1, ?2), phase "
     "FROM attempts WHERE delivery_id = ?1 ORDER BY number, id",
     story_read_attempt},
    {"SELECT text FROM _gate_text "
     "WHERE endpoint_id = (SELECT endpoint_id FROM deliveries WHERE id = ?1)",
     story_read_gate},
};

static int story_read(struct database *database, const struct chapter *chapter, int64_t delivery_id,
                      int64_t bytes, struct delivery_story *story, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, chapter->sql, error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, delivery_id);
    sqlite3_bind_int64(statement, 2, bytes); /* those that have no ?2 ignore it */
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        chapter->read(statement, story);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the delivery", error);
    sqlite3_finalize(statement);
    return r;
}

int inspection_story(struct database *database, int64_t delivery_id, int64_t bytes,
                     struct delivery_story *story, struct error *error) {
    *story = (struct delivery_story){.daemon_runs = overview_daemon_runs(database, NULL)};
    int r = database_run(database, "BEGIN", error);
    if (r)
        return r;
    for (size_t i = 0; !r && i < sizeof chapters / sizeof *chapters; i++) {
        r = story_read(database, &chapters[i], delivery_id, bytes, story, error);
        if (!r && !story->delivery.id)
            r = error_set(error, ERROR_FAILED,
                          "there is no delivery %" PRId64 ": outhook list shows the newest",
                          delivery_id);
    }
    sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    if (r)
        delivery_story_free(story);
    return r;
}

static void attempt_facts_free(struct attempt_facts *attempt) {
    free(attempt->verdict);
    free(attempt->phase);
    free(attempt->error);
    free(attempt->remote_address);
    free(attempt->response_headers);
    free(attempt->response_body);
}

void delivery_story_free(struct delivery_story *story) {
    delivery_facts_free(&story->delivery);
    struct webhook_facts *webhook = &story->webhook;
    char *texts[] = {webhook->uid,       webhook->type,    webhook->method, webhook->content_type,
                     webhook->dedup_key, webhook->headers, webhook->payload};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    free(story->endpoint.name);
    free(story->endpoint.url);
    free(story->endpoint.disabled_reason);
    for (size_t i = 0; i < story->attempt_count; i++)
        attempt_facts_free(&story->attempts[i]);
    free(story->attempts);
    free(story->held_up);
    *story = (struct delivery_story){0};
}
