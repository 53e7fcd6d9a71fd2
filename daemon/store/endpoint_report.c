#include "outhook/store/endpoint_report.h"

#include "outhook/base/buffer.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"
#include "outhook/store/endpoint_names.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_ATTEMPTS = 20000 };

static const char *const setting_columns[] = {
#define SETTING_COLUMN(name, column) column,
    ENDPOINT_SETTINGS(SETTING_COLUMN)
#undef SETTING_COLUMN
};

const char *endpoint_setting_column(int setting) {
    return setting_columns[setting];
}

/* ---- one endpoint ---------------------------------------------------------------------------- */

/* Which one is asked for: ?1 is a name or a URL, ?2 whether the secrets are wanted. A name goes
 * before a URL. */
#define RECORD_ID                                                                                  \
    "(SELECT id FROM (SELECT id, 0 AS place FROM endpoints WHERE name = ?1 UNION ALL "             \
    "SELECT id, 1 FROM endpoints WHERE url = ?1 AND name IS NULL) ORDER BY place LIMIT 1)"
enum { RECORD_FIRST_SETTING = 6 };

/* Headers carry credentials, too: their values are hidden like secrets, told by the names. */
#define RECORD_HEADERS                                                                             \
    "CASE WHEN headers IS NULL OR ?2 THEN headers WHEN NOT json_valid(headers) THEN NULL "         \
    "ELSE (SELECT json_group_object(key, CASE WHEN lower(key) IN ('authorization', 'cookie') "     \
    "OR lower(key) GLOB '*key*' OR lower(key) GLOB '*token*' OR lower(key) GLOB '*secret*' "       \
    "OR lower(key) GLOB '*password*' OR lower(key) GLOB '*auth*' THEN '(hidden)' ELSE value END) " \
    "FROM json_each(headers)) END"

static void record_read_row(sqlite3_stmt *row, struct endpoint_record *record) {
    record->id = sqlite3_column_int64(row, 0);
    record->name = database_text(row, 1);
    record->enabled = sqlite3_column_int(row, 2);
    record->disabled_reason = database_text(row, 3);
    record->disabled_at = sqlite3_column_int64(row, 4);
    record->created_at = sqlite3_column_int64(row, 5);
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        record->settings[i] = database_text(row, RECORD_FIRST_SETTING + i);
}

static void record_read_pattern(sqlite3_stmt *row, struct endpoint_record *record) {
    record->patterns =
        memory_resize(record->patterns, record->pattern_count + 1, sizeof *record->patterns);
    record->patterns[record->pattern_count++] = database_text(row, 0);
}

static void record_read_secret(sqlite3_stmt *row, struct endpoint_record *record) {
    record->secrets =
        memory_resize(record->secrets, record->secret_count + 1, sizeof *record->secrets);
    record->secrets[record->secret_count++] = (struct secret_facts){
        .secret = database_text(row, 0),
        .created_at = sqlite3_column_int64(row, 1),
        .expires_at = sqlite3_column_int64(row, 2),
        .sealed = sqlite3_column_int(row, 3) != 0,
    };
}

static int record_read_part(struct database *database, const char *sql, const char *name,
                            bool with_secrets,
                            void (*read)(sqlite3_stmt *row, struct endpoint_record *record),
                            struct endpoint_record *record, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, sql, error);
    if (r)
        return r;
    database_bind_text(statement, 1, name);
    sqlite3_bind_int(statement, 2, with_secrets); /* those that have no ?2 ignore it */
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        read(statement, record);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the endpoint", error);
    sqlite3_finalize(statement);
    return r;
}

static int record_read_all(struct database *database, const char *name, bool with_secrets,
                           struct endpoint_record *record, struct error *error) {
    struct buffer sql = {0};
    buffer_print(&sql, "SELECT id, name, enabled, disabled_reason, disabled_at, created_at");
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        buffer_print(&sql, ", %s", i == ENDPOINT_HEADERS ? RECORD_HEADERS : setting_columns[i]);
    buffer_print(&sql, " FROM endpoints WHERE id = " RECORD_ID);
    int r = record_read_part(database, buffer_text(&sql), name, with_secrets, record_read_row,
                             record, error);
    buffer_free(&sql);
    if (!r)
        r = record_read_part(database,
                             "SELECT type_pattern FROM subscriptions WHERE endpoint_id = " RECORD_ID
                             " ORDER BY type_pattern",
                             name, with_secrets, record_read_pattern, record, error);
    if (!r)
        r = record_read_part(database,
                             "SELECT CASE WHEN ?2 THEN secret END, created_at, expires_at, "
                             "secret GLOB 'sealed:*' "
                             "FROM endpoint_secrets WHERE endpoint_id = " RECORD_ID
                             " AND (expires_at IS NULL OR expires_at > (SELECT ms FROM _now)) "
                             "ORDER BY created_at DESC, id DESC",
                             name, with_secrets, record_read_secret, record, error);
    return r;
}

int endpoint_record_read(struct database *database, const char *name, bool with_secrets,
                         struct endpoint_record *record, struct error *error) {
    *record = (struct endpoint_record){0};
    int r = database_run(database, "BEGIN", error);
    if (r)
        return r;
    r = record_read_all(database, name, with_secrets, record, error);
    if (!r && !record->id)
        r = endpoint_name_refuse(database, name, error);
    sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    if (r)
        endpoint_record_free(record);
    return r;
}

void endpoint_record_free(struct endpoint_record *record) {
    for (size_t i = 0; i < record->secret_count; i++) {
        char *secret = record->secrets[i].secret;
        if (secret)
            explicit_bzero(secret, strlen(secret));
        free(secret);
    }
    free(record->secrets);
    for (size_t i = 0; i < record->pattern_count; i++)
        free(record->patterns[i]);
    free(record->patterns);
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        free(record->settings[i]);
    free(record->name);
    free(record->disabled_reason);
    *record = (struct endpoint_record){0};
}

const char *endpoint_record_label(const struct endpoint_record *record) {
    return record->name ? record->name : record->settings[ENDPOINT_URL];
}

/* ---- how they fare --------------------------------------------------------------------------- */

/* `tried` is what the newest attempts tell, grouped by endpoint: with max(), SQLite takes the other
 * columns from the row that has the maximum. %s stands for the condition on an endpoint's id. */
#define HEALTH_WITH                                                                                \
    "WITH newest AS MATERIALIZED (SELECT d.endpoint_id, a.verdict = 'delivered' AS delivered, "    \
    "  a.started_at + a.duration_ms AS ended_at, coalesce(a.error, 'status ' || a.status_code, "   \
    "  a.verdict) AS error FROM (SELECT delivery_id, verdict, started_at, duration_ms, "           \
    "  status_code, error FROM attempts ORDER BY id DESC LIMIT ?1) AS a "                          \
    "  JOIN deliveries AS d ON d.id = a.delivery_id), "                                            \
    "good AS MATERIALIZED (SELECT endpoint_id, max(ended_at) AS at FROM newest WHERE delivered "   \
    "  GROUP BY endpoint_id), "                                                                    \
    "bad AS MATERIALIZED (SELECT endpoint_id, max(ended_at) AS at, error FROM newest "             \
    "  WHERE NOT delivered GROUP BY endpoint_id), "                                                \
    "waiting AS MATERIALIZED (SELECT endpoint_id, count(*) AS pending, min(id) AS oldest_id "      \
    "  FROM deliveries WHERE status = 'pending'%s GROUP BY endpoint_id) "
#define HEALTH_FAILED(what)                                                                        \
    "(SELECT " what " FROM deliveries AS d WHERE d.status = 'failed' AND d.endpoint_id = e.id "    \
    "ORDER BY d.finished_at DESC LIMIT 1)"
#define HEALTH_SELECT                                                                              \
    "SELECT e.id, e.name, e.url, e.disabled_reason, e.enabled, e.disabled_at, e.failing_since, "   \
    "w.pending, "                                                                                  \
    "(SELECT created_at FROM deliveries WHERE id = w.oldest_id), good.at, "                        \
    "coalesce(bad.at, " HEALTH_FAILED("finished_at") "), "                                         \
                                                     "coalesce(bad.error, " HEALTH_FAILED(         \
                                                         "coalesce(last_error, 'status ' || "      \
                                                         "last_status_code)") ") FROM endpoints "  \
                                                                              "AS e LEFT JOIN "    \
                                                                              "waiting AS w ON "   \
                                                                              "w.endpoint_id = "   \
                                                                              "e.id "              \
                                                                              "LEFT JOIN good ON " \
                                                                              "good.endpoint_id "  \
                                                                              "= e.id LEFT JOIN "  \
                                                                              "bad ON "            \
                                                                              "bad.endpoint_id = " \
                                                                              "e.id WHERE "

static void health_add(struct endpoint_health_list *list, sqlite3_stmt *row) {
    list->rows = memory_resize(list->rows, list->count + 1, sizeof *list->rows);
    list->rows[list->count++] = (struct endpoint_health){
        .id = sqlite3_column_int64(row, 0),
        .name = database_text(row, 1),
        .url = database_text(row, 2),
        .disabled_reason = database_text(row, 3),
        .enabled = sqlite3_column_int(row, 4),
        .disabled_at = sqlite3_column_int64(row, 5),
        .failing_since = sqlite3_column_int64(row, 6),
        .pending = sqlite3_column_int64(row, 7),
        .oldest_pending_at = sqlite3_column_int64(row, 8),
        .success_at = sqlite3_column_int64(row, 9),
        .failure_at = sqlite3_column_int64(row, 10),
        .failure = database_text(row, 11),
    };
}

static void health_sql(struct buffer *sql, int64_t id, bool bare) {
    char condition[64] = "";
    if (id)
        snprintf(condition, sizeof condition, " AND endpoint_id = %" PRId64, id);
    buffer_print(sql, HEALTH_WITH, condition);
    buffer_print(sql, HEALTH_SELECT);
    if (id)
        buffer_print(sql, "e.id = %" PRId64, id);
    else
        buffer_print(sql, "%s", bare ? "true" : "e.name IS NOT NULL");
    buffer_print(sql, " ORDER BY e.name IS NULL, e.name, e.url");
}

static int health_read_rows(struct database *database, int64_t id, bool bare,
                            struct endpoint_health_list *list, struct error *error) {
    struct buffer sql = {0};
    health_sql(&sql, id, bare);
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, REPORT_ATTEMPTS);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        health_add(list, statement);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the endpoints", error);
    sqlite3_finalize(statement);
    return r;
}

/* When there is an attempt more than were looked at, how far these went back. */
static int health_read_bound(struct database *database, struct endpoint_health_list *list,
                             struct error *error) {
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT started_at FROM attempts ORDER BY id DESC LIMIT 1 OFFSET %d",
             REPORT_ATTEMPTS);
    return database_integer(database, sql, &list->attempts_since, error);
}

int endpoint_health_read(struct database *database, int64_t id, bool bare,
                         struct endpoint_health_list *list, struct error *error) {
    *list = (struct endpoint_health_list){0};
    int r = database_run(database, "BEGIN", error);
    if (r)
        return r;
    r = health_read_rows(database, id, bare, list, error);
    if (!r)
        r = health_read_bound(database, list, error);
    sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    if (r)
        endpoint_health_list_free(list);
    return r;
}

void endpoint_health_list_free(struct endpoint_health_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].url);
        free(list->rows[i].disabled_reason);
        free(list->rows[i].failure);
    }
    free(list->rows);
    *list = (struct endpoint_health_list){0};
}
