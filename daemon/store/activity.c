#include "outhook/store/activity.h"

#include "outhook/base/map.h"
#include "outhook/base/memory.h"
#include "outhook/store/backlog.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static int read_newest(struct database *database, int64_t *attempt_id, int64_t *webhook_id,
                       struct error *error) {
    int r = database_integer(database, "SELECT max(id) FROM attempts", attempt_id, error);
    return r ? r : database_integer(database, "SELECT max(id) FROM webhooks", webhook_id, error);
}

int activity_open(struct activity *activity, struct database *database, struct error *error) {
    *activity = (struct activity){.database = database};
    return read_newest(database, &activity->attempt_id, &activity->webhook_id, error);
}

/* ---- attempts -------------------------------------------------------------------------------- */

static const char sql_attempts[] =
    "SELECT d.endpoint_id, a.verdict = 'delivered', a.duration_ms, "
    "CASE WHEN a.verdict <> 'delivered' THEN a.error END "
    "FROM attempts AS a CROSS JOIN deliveries AS d ON d.id = a.delivery_id "
    "WHERE a.id > ?1 AND a.id <= ?2 ORDER BY a.id";

static struct activity_row *row_of(struct map *rows, int64_t endpoint_id) {
    struct activity_row *row = map_get(rows, endpoint_id);
    if (!row) {
        row = new (struct activity_row);
        row->endpoint_id = endpoint_id;
        map_put(rows, endpoint_id, row);
    }
    return row;
}

static void row_count(struct activity_row *row, sqlite3_stmt *attempt) {
    bool delivered = sqlite3_column_int(attempt, 1) != 0;
    int64_t duration_ms = sqlite3_column_int64(attempt, 2);
    row->delivered += delivered;
    row->failed += !delivered;
    row->duration_ms += duration_ms;
    row->longest_ms = row->longest_ms > duration_ms ? row->longest_ms : duration_ms;
    if (!delivered) {
        free(row->error);
        row->error = database_text(attempt, 3);
    }
}

static int read_attempts(struct database *database, int64_t after_id, int64_t newest_id,
                         struct map *rows, struct error *error) {
    sqlite3_stmt *statement;
    int code, r = database_prepare(database, &statement, sql_attempts, error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, after_id);
    sqlite3_bind_int64(statement, 2, newest_id);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        row_count(row_of(rows, sqlite3_column_int64(statement, 0)), statement);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the attempts", error);
    sqlite3_finalize(statement);
    return r;
}

static void page_take_rows(struct activity_page *page, struct map *rows) {
    struct activity_row *row;
    page->rows = memory_new(rows->count + 1, sizeof *page->rows);
    for (size_t cursor = 0; (row = map_next(rows, &cursor));) {
        page->rows[page->count++] = *row;
        free(row);
    }
    map_free(rows);
}

/* Attempts' ids may be used again after a purge of the newest ones: then it begins anew. */
int activity_read(struct activity *activity, struct activity_page *page, struct error *error) {
    int64_t attempt_id = 0, webhook_id = 0, after_id = activity->attempt_id;
    struct map rows = {0};
    *page = (struct activity_page){0};
    int r = read_newest(activity->database, &attempt_id, &webhook_id, error);
    if (r)
        return r;
    if (attempt_id - after_id > ACTIVITY_ATTEMPTS_MAX) {
        page->left_out = attempt_id - after_id - ACTIVITY_ATTEMPTS_MAX;
        after_id = attempt_id - ACTIVITY_ATTEMPTS_MAX;
    }
    if (attempt_id > after_id)
        r = read_attempts(activity->database, after_id, attempt_id, &rows, error);
    page_take_rows(page, &rows);
    if (r) {
        activity_page_free(page);
        return r;
    }
    page->enqueued = webhook_id > activity->webhook_id ? webhook_id - activity->webhook_id : 0;
    activity->attempt_id = attempt_id;
    activity->webhook_id = webhook_id;
    return 0;
}

void activity_page_free(struct activity_page *page) {
    for (size_t i = 0; i < page->count; i++)
        free(page->rows[i].error);
    free(page->rows);
    *page = (struct activity_page){0};
}

/* ---- an endpoint as it stands ---------------------------------------------------------------- */

static const char sql_endpoint[] =
    "SELECT coalesce(e.name, e.url), "
    "  CASE WHEN NOT e.enabled THEN 'disabled: ' || "
    "    replace(coalesce(e.disabled_reason, 'by hand'), 'disabled ', '') "
    "  WHEN ?2 THEN (SELECT text FROM _gate_text AS g WHERE g.endpoint_id = e.id) END, "
    "  (SELECT count(*) FROM (SELECT 1 FROM deliveries AS d WHERE d.endpoint_id = e.id "
    "   AND d.status = 'pending' LIMIT ?3)), "
    "  (SELECT d.created_at FROM deliveries AS d WHERE d.endpoint_id = e.id "
    "   AND d.status = 'pending' ORDER BY d.due_at LIMIT 1) "
    "FROM endpoints AS e WHERE e.id = ?1";

int activity_endpoint(struct database *database, int64_t endpoint_id, bool daemon_runs,
                      struct activity_endpoint *endpoint, struct error *error) {
    sqlite3_stmt *statement;
    *endpoint = (struct activity_endpoint){0};
    int r = database_prepare(database, &statement, sql_endpoint, error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, endpoint_id);
    sqlite3_bind_int(statement, 2, daemon_runs);
    sqlite3_bind_int(statement, 3, BACKLOG_COUNT_MAX + 1);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *endpoint = (struct activity_endpoint){
            .label = database_text(statement, 0),
            .held_up = database_text(statement, 1),
            .pending = sqlite3_column_int64(statement, 2),
            .oldest_created_at = sqlite3_column_int64(statement, 3),
        };
    else if (code != SQLITE_DONE)
        r = database_error(database, code, "read the endpoint", error);
    sqlite3_finalize(statement);
    return r;
}

void activity_endpoint_free(struct activity_endpoint *endpoint) {
    free(endpoint->label);
    free(endpoint->held_up);
    *endpoint = (struct activity_endpoint){0};
}
