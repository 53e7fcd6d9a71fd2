#include "outhook/store/backlog.h"

#include "outhook/base/buffer.h"
#include "outhook/base/map.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPE_PART = 200000 }; /* rows that are read in one go */

/* ---- what holds endpoints up ----------------------------------------------------------------- */

#define FIRST_ROW                                                                                  \
    "(SELECT d.id FROM deliveries AS d WHERE d.endpoint_id = e.id AND d.status = 'pending' "       \
    "ORDER BY d.due_at, d.id LIMIT 1)"

/* ?1: whether what outhookd wrote is still true; ?2: how many. Whether a lane has anything is one
 * look into its index. */
static const char sql_held[] =
    "WITH held AS (SELECT e.id, coalesce(e.name, e.url) AS label, e.enabled, e.disabled_reason, "
    "  " FIRST_ROW " AS first_id, g.gate, g.until_at, g.in_flight, g.max_in_flight "
    "  FROM endpoints AS e LEFT JOIN endpoint_gates AS g ON g.endpoint_id = e.id AND ?1 "
    "  WHERE (e.enabled = 0 OR g.gate IS NOT NULL) AND first_id IS NOT NULL) "
    "SELECT h.id, h.label, CASE WHEN h.enabled THEN h.gate ELSE 'disabled' END, "
    "  CASE WHEN h.enabled THEN (SELECT text FROM _gate_text WHERE endpoint_id = h.id) "
    "  ELSE 'disabled: ' || replace(coalesce(h.disabled_reason, 'by hand'), 'disabled ', '') END, "
    "  h.until_at, h.in_flight, h.max_in_flight, "
    "  (SELECT count(*) FROM (SELECT 1 FROM deliveries AS d WHERE d.endpoint_id = h.id "
    "   AND d.status = 'pending' LIMIT 10001)), d.created_at, count(*) OVER () "
    "FROM held AS h JOIN deliveries AS d ON d.id = h.first_id "
    "ORDER BY d.created_at, d.id LIMIT ?2";

static void held_add(struct backlog_held_list *list, sqlite3_stmt *row) {
    list->rows = memory_resize(list->rows, list->count + 1, sizeof *list->rows);
    list->rows[list->count++] = (struct backlog_held){
        .endpoint_id = sqlite3_column_int64(row, 0),
        .label = database_text(row, 1),
        .gate = database_text(row, 2),
        .text = database_text(row, 3),
        .until_at = sqlite3_column_int64(row, 4),
        .in_flight = sqlite3_column_int64(row, 5),
        .max_in_flight = sqlite3_column_int64(row, 6),
        .pending = sqlite3_column_int64(row, 7),
        .created_at = sqlite3_column_int64(row, 8),
    };
    list->total = sqlite3_column_int64(row, 9);
}

int backlog_held_read(struct database *database, bool daemon_runs, int64_t limit,
                      struct backlog_held_list *list, struct error *error) {
    sqlite3_stmt *statement;
    *list = (struct backlog_held_list){0};
    int r = database_prepare(database, &statement, sql_held, error);
    if (r)
        return r;
    sqlite3_bind_int(statement, 1, daemon_runs);
    sqlite3_bind_int64(statement, 2, limit);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        held_add(list, statement);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read what holds endpoints up", error);
    sqlite3_finalize(statement);
    if (r)
        backlog_held_free(list);
    return r;
}

void backlog_held_free(struct backlog_held_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].label);
        free(list->rows[i].gate);
        free(list->rows[i].text);
    }
    free(list->rows);
    *list = (struct backlog_held_list){0};
}

/* ---- how old it is --------------------------------------------------------------------------- */

static int shape_bucket(int64_t age_ms) {
    int64_t bound_ms = SHAPE_FIRST_MS;
    for (int i = 0; i < SHAPE_BUCKETS; i++, bound_ms *= 2)
        if (age_ms <= bound_ms)
            return i;
    return SHAPE_BUCKETS;
}

static void shape_count(struct shape_row *row, int64_t age_ms) {
    row->total++;
    row->ages[shape_bucket(age_ms)]++;
}

static struct shape_row *shape_row_of(struct map *rows, int64_t endpoint_id) {
    struct shape_row *row = map_get(rows, endpoint_id);
    if (!row) {
        row = new (struct shape_row);
        row->endpoint_id = endpoint_id;
        map_put(rows, endpoint_id, row);
    }
    return row;
}

/* One part of the walk: rows with a key above *after, which becomes the last key, or 0 at the end.
 * A part ends between two keys. */
static int shape_part(struct database *database, sqlite3_stmt *statement, int64_t now_wall_ms,
                      int64_t *after, struct map *rows, struct shape *shape, struct error *error) {
    int code, seen = 0;
    int64_t last = 0;
    sqlite3_bind_int64(statement, 1, *after);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(statement, 0);
        int64_t age_ms = now_wall_ms - sqlite3_column_int64(statement, 2);
        if (seen++ >= SHAPE_PART && key != last)
            break;
        shape_count(shape_row_of(rows, sqlite3_column_int64(statement, 1)), age_ms);
        shape_count(&shape->all, age_ms);
        last = key;
    }
    *after = code == SQLITE_ROW ? last : 0;
    bool read = code == SQLITE_ROW || code == SQLITE_DONE;
    int r = read ? 0 : database_error(database, code, "count the deliveries", error);
    sqlite3_reset(statement);
    return r;
}

/* Those of some statuses are found by endpoint, in an index; the key is the endpoint's id then. All
 * others are walked over with all deliveries. */
static int shape_prepare(struct database *database, const char *status, sqlite3_stmt **statement,
                         struct error *error) {
    bool indexed =
        !strcmp(status, "pending") || !strcmp(status, "failed") || !strcmp(status, "expired");
    struct buffer sql = {0};
    if (indexed)
        buffer_print(&sql,
                     "SELECT e.id, e.id, d.created_at FROM endpoints AS e CROSS JOIN deliveries "
                     "AS d ON d.endpoint_id = e.id AND d.status = '%s' WHERE e.id > ?1 "
                     "ORDER BY e.id",
                     status);
    else
        buffer_print(&sql,
                     "SELECT id, endpoint_id, created_at FROM deliveries WHERE status = '%s' "
                     "AND id > ?1 ORDER BY id",
                     status);
    int r = database_prepare(database, statement, buffer_text(&sql), error);
    buffer_free(&sql);
    return r;
}

static int compare_shapes(const void *a, const void *b) {
    const struct shape_row *x = a, *y = b;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return (x->endpoint_id > y->endpoint_id) - (x->endpoint_id < y->endpoint_id);
}

static void shape_take_rows(struct shape *shape, struct map *rows) {
    struct shape_row *row;
    shape->rows = memory_new(rows->count + 1, sizeof *shape->rows);
    for (size_t cursor = 0; (row = map_next(rows, &cursor));) {
        shape->rows[shape->count++] = *row;
        free(row);
    }
    map_free(rows);
    qsort(shape->rows, shape->count, sizeof *shape->rows, compare_shapes);
}

static int shape_label(struct database *database, struct shape *shape, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement,
                             "SELECT coalesce(name, url) FROM endpoints WHERE id = ?1", error);
    for (size_t i = 0; !r && i < shape->count; i++) {
        sqlite3_bind_int64(statement, 1, shape->rows[i].endpoint_id);
        if (sqlite3_step(statement) == SQLITE_ROW)
            shape->rows[i].label = database_text(statement, 0);
        sqlite3_reset(statement);
    }
    if (!r)
        sqlite3_finalize(statement);
    return r;
}

int shape_read(struct database *database, const char *status, int64_t now_wall_ms,
               struct shape *shape, struct error *error) {
    struct map rows = {0};
    sqlite3_stmt *statement;
    int64_t after = 0;
    *shape = (struct shape){0};
    int r = shape_prepare(database, status, &statement, error);
    if (r)
        return r;
    do
        r = shape_part(database, statement, now_wall_ms, &after, &rows, shape, error);
    while (!r && after);
    sqlite3_finalize(statement);
    shape_take_rows(shape, &rows);
    if (!r)
        r = shape_label(database, shape, error);
    if (r)
        shape_free(shape);
    return r;
}

void shape_free(struct shape *shape) {
    for (size_t i = 0; i < shape->count; i++)
        free(shape->rows[i].label);
    free(shape->rows);
    *shape = (struct shape){0};
}
