#include "outhook/store/producer.h"

#include "outhook/base/memory.h"
#include "outhook/base/utf8.h"
#include "outhook/store/database.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is left out gets the column's default: the schema's, not a copy of it here. */
#define PRODUCER_INSERT                                                                            \
    "INSERT INTO webhooks (type, endpoint, url, dedup_key, deliver_at, expires_at, headers, "      \
    "payload%s%s) VALUES (:type, :endpoint, :url, :dedup_key, :deliver_at, :expires_at, "          \
    ":headers, :payload%s%s) RETURNING id, uid"

/* ---- headers --------------------------------------------------------------------------------- */

static int headers_judge(const struct producer_header *headers, size_t count, struct error *error) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcasecmp(headers[i].name, headers[k].name))
                return error_set(error, ERROR_USAGE,
                                 "the header %s is given twice: join its values with a comma",
                                 headers[i].name);
    return 0;
}

/* One header more in the JSON object `json` (NULL for an empty one). SQLite does the quoting. */
static int headers_add(struct database *database, sqlite3_stmt *statement,
                       const struct producer_header *header, char **json, struct error *error) {
    database_bind_text(statement, 1, *json ? *json : "{}");
    database_bind_text(statement, 2, header->name);
    database_bind_text(statement, 3, header->value);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return database_error(database, code, "write the headers", error);

    char *more = database_text(statement, 0);
    sqlite3_reset(statement);
    free(*json);
    *json = more;
    return 0;
}

int producer_headers(struct database *database, const struct producer_header *headers, size_t count,
                     char **json, struct error *error) {
    *json = NULL;
    int r = headers_judge(headers, count, error);
    if (r || !count)
        return r;

    sqlite3_stmt *statement;
    r = database_prepare(database, &statement, "SELECT json_patch(?1, json_object(?2, ?3))", error);
    for (size_t i = 0; !r && i < count; i++)
        r = headers_add(database, statement, &headers[i], json, error);
    sqlite3_finalize(statement);
    if (r) {
        free(*json);
        *json = NULL;
    }
    return r;
}

/* ---- the insert ------------------------------------------------------------------------------ */

static void bind_text(sqlite3_stmt *statement, const char *name, const char *text) {
    int parameter = sqlite3_bind_parameter_index(statement, name);
    if (parameter)
        database_bind_text(statement, parameter, text);
}

static void bind_time(sqlite3_stmt *statement, const char *name, int64_t at) {
    if (at)
        sqlite3_bind_int64(statement, sqlite3_bind_parameter_index(statement, name), at);
}

/* Text where it can be, so that a person who selects it can read it. */
static int bind_payload(sqlite3_stmt *statement, const struct producer_webhook *webhook) {
    int parameter = sqlite3_bind_parameter_index(statement, ":payload");
    const char *bytes = webhook->payload ? webhook->payload : "";
    size_t length = webhook->payload_bytes;
    if (utf8_valid(bytes, length) && !memchr(bytes, '\0', length))
        return sqlite3_bind_text64(statement, parameter, bytes, length, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, parameter, bytes, length, SQLITE_STATIC);
}

static int producer_bind(struct database *database, sqlite3_stmt *statement,
                         const struct producer_webhook *webhook, const char *headers,
                         struct error *error) {
    bind_text(statement, ":type", webhook->type);
    bind_text(statement, ":endpoint", webhook->endpoint);
    bind_text(statement, ":url", webhook->url);
    bind_text(statement, ":dedup_key", webhook->dedup_key);
    bind_text(statement, ":headers", headers);
    bind_text(statement, ":method", webhook->method);
    bind_text(statement, ":content_type", webhook->content_type);
    bind_time(statement, ":deliver_at", webhook->deliver_at);
    bind_time(statement, ":expires_at", webhook->expires_at);
    int code = bind_payload(statement, webhook);
    return code ? database_error(database, code, "take the payload", error) : 0;
}

/* Of all the table's rules only the dedup_key's is an index and so can't bring its own sentence. */
static int producer_refusal(struct database *database, int code,
                            const struct producer_webhook *webhook, struct error *error) {
    if (code != SQLITE_CONSTRAINT_UNIQUE || !webhook->dedup_key ||
        !strstr(sqlite3_errmsg(database->handle), "dedup_key"))
        return database_error(database, code, "enqueue the webhook", error);
    return error_set(error, ERROR_USAGE,
                     "a webhook with the dedup_key %.200s has been inserted before: this one was "
                     "not inserted again",
                     webhook->dedup_key);
}

static int producer_run(struct database *database, sqlite3_stmt *statement,
                        const struct producer_webhook *webhook, struct producer_receipt *receipt,
                        struct error *error) {
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return producer_refusal(database, code, webhook, error);
    receipt->webhook_id = sqlite3_column_int64(statement, 0);
    receipt->uid = database_text(statement, 1);
    code = sqlite3_step(statement);
    return code == SQLITE_DONE ? 0 : producer_refusal(database, code, webhook, error);
}

static int producer_insert_row(struct database *database, const struct producer_webhook *webhook,
                               const char *headers, struct producer_receipt *receipt,
                               struct error *error) {
    char sql[600];
    snprintf(sql, sizeof sql, PRODUCER_INSERT, webhook->method ? ", method" : "",
             webhook->content_type ? ", content_type" : "", webhook->method ? ", :method" : "",
             webhook->content_type ? ", :content_type" : "");
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, sql, error);
    if (!r)
        r = producer_bind(database, statement, webhook, headers, error);
    if (!r)
        r = producer_run(database, statement, webhook, receipt, error);
    sqlite3_finalize(statement);
    return r;
}

static int producer_count(struct database *database, struct producer_receipt *receipt,
                          struct error *error) {
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM deliveries WHERE webhook_id = %" PRId64,
             receipt->webhook_id);
    return database_integer(database, sql, &receipt->deliveries, error);
}

int producer_insert(struct database *database, const struct producer_webhook *webhook,
                    struct producer_receipt *receipt, struct error *error) {
    *receipt = (struct producer_receipt){0};
    char *headers = NULL;
    int r = producer_headers(database, webhook->headers, webhook->header_count, &headers, error);
    if (!r)
        r = database_run(database, "BEGIN IMMEDIATE", error);
    if (!r) {
        r = producer_insert_row(database, webhook, headers, receipt, error);
        if (!r)
            r = producer_count(database, receipt, error);
        if (!r)
            r = database_run(database, "COMMIT", error);
        if (r)
            sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    }
    free(headers);
    if (r)
        producer_receipt_free(receipt);
    return r;
}

void producer_receipt_free(struct producer_receipt *receipt) {
    free(receipt->uid);
    *receipt = (struct producer_receipt){0};
}

/* ---- times ----------------------------------------------------------------------------------- */

/* A date has dashes; SQLite would also take a bare number, as a Julian day, and 'now'. */
int producer_time(struct database *database, const char *text, int64_t *at, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement,
                             "SELECT CAST((julianday(?1) - 2440587.5) * 86400000 + 0.5 AS INTEGER) "
                             "WHERE ?1 GLOB '[0-9][0-9][0-9][0-9]-*' AND julianday(?1) NOT NULL",
                             error);
    if (r)
        return r;
    database_bind_text(statement, 1, text);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *at = sqlite3_column_int64(statement, 0);
    else if (code == SQLITE_DONE)
        r = error_set(error, ERROR_USAGE,
                      "%.100s is no point in time: write 2026-05-01 12:00, 2026-05-01T12:00:00Z or "
                      "+02:00, or milliseconds since 1970",
                      text);
    else
        r = database_error(database, code, "read a point in time", error);
    sqlite3_finalize(statement);
    return r;
}
