#include "outhook/store/unused.h"

#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stddef.h>

enum {
    UNUSED_ROWS = 200,    /* endpoints looked at in a slice */
    UNUSED_NEWER = 20000, /* deliveries that may have come since the marks were made */
};

/* A column that is added to endpoints as a setting belongs here as well; a test sees to it. */
static const char sql_candidates[] =
    "SELECT id, name IS NULL AND enabled AND NOT ordered AND NOT tls_insecure AND NOT allow_private"
    " AND signing = 'standard' AND http_version = '1.1' AND created_at < ?3"
    " AND coalesce(description, headers, timeout_ms, connect_timeout_ms, max_attempts,"
    " retry_schedule, max_in_flight, rate_limit, rate_burst, tls_ca_file, tls_cert_file,"
    " tls_key_file) IS NULL FROM endpoints WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char sql_newer[] =
    "SELECT id, endpoint_id FROM deliveries WHERE id > ?1 ORDER BY id LIMIT ?2";
/* What is pending may be older than the marks: replayed. */
static const char sql_endpoint[] =
    "DELETE FROM endpoints WHERE id = ?1 AND name IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE endpoint_id = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM endpoint_secrets WHERE endpoint_id = ?1)";
/* The highest seq stays, for the next one is counted from it. */
static const char sql_changes[] = "DELETE FROM endpoint_changes WHERE endpoint_id = ?1"
                                  " AND seq < (SELECT max(seq) FROM endpoint_changes)";
static const char sql_gate[] = "DELETE FROM endpoint_gates WHERE endpoint_id = ?1";

int unused_open(struct unused *unused, struct database *database, struct error *error) {
    *unused = (struct unused){.database = database};
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&unused->candidates, sql_candidates},
        {&unused->newer, sql_newer},
        {&unused->endpoint, sql_endpoint},
        {&unused->changes, sql_changes},
        {&unused->gate, sql_gate},
    };
    int r = 0;
    for (size_t i = 0; !r && i < sizeof all / sizeof *all; i++)
        r = database_prepare(database, all[i].statement, all[i].sql, error);
    return r;
}

void unused_close(struct unused *unused) {
    sqlite3_stmt *const all[] = {unused->candidates, unused->newer, unused->endpoint,
                                 unused->changes, unused->gate};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    *unused = (struct unused){0};
}

/* The next endpoints that nothing speaks for, but the marks may. */
static int unused_look(struct unused *unused, const struct sweep_marks *marks,
                       struct unused_walk *walk, int64_t ids[UNUSED_MAX], int *count,
                       struct error *error) {
    sqlite3_stmt *row = unused->candidates;
    int code = SQLITE_ROW, rows = 0;
    *count = 0;
    sqlite3_bind_int64(row, 1, walk->after);
    sqlite3_bind_int(row, 2, UNUSED_ROWS);
    sqlite3_bind_int64(row, 3, walk->created_before);
    while (*count < UNUSED_MAX && (code = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(row, 0);
        if (sqlite3_column_int(row, 1) && !sweep_is_marked(marks, id))
            ids[(*count)++] = id;
        walk->after = id;
        rows++;
    }
    bool full = *count == UNUSED_MAX;
    walk->end = !full && rows < UNUSED_ROWS;
    sqlite3_reset(row);
    return full || code == SQLITE_DONE
               ? 0
               : database_error(unused->database, code, "look for unused endpoints", error);
}

/* Marks the endpoints of what came since. */
static int unused_catch_up(struct unused *unused, struct sweep_marks *marks,
                           struct unused_walk *walk, bool *caught_up, struct error *error) {
    sqlite3_stmt *row = unused->newer;
    int code, rows = 0;
    sqlite3_bind_int64(row, 1, walk->last_delivery);
    sqlite3_bind_int(row, 2, UNUSED_NEWER);
    for (; (code = sqlite3_step(row)) == SQLITE_ROW; rows++) {
        walk->last_delivery = sqlite3_column_int64(row, 0);
        sweep_mark(marks, sqlite3_column_int64(row, 1));
    }
    sqlite3_reset(row);
    *caught_up = rows < UNUSED_NEWER;
    return code == SQLITE_DONE
               ? 0
               : database_error(unused->database, code, "look for unused endpoints", error);
}

static int unused_step(struct unused *unused, sqlite3_stmt *statement, int64_t id,
                       struct error *error) {
    sqlite3_bind_int64(statement, 1, id);
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE
               ? 0
               : database_error(unused->database, code, "delete unused endpoints", error);
}

static int unused_delete(struct unused *unused, const struct sweep_marks *marks, const int64_t *ids,
                         int count, int64_t *gone, int *gone_count, struct error *error) {
    int r = 0;
    for (int i = 0; !r && i < count; i++) {
        if (sweep_is_marked(marks, ids[i]))
            continue;
        r = unused_step(unused, unused->endpoint, ids[i], error);
        if (r || !sqlite3_changes(unused->database->handle))
            continue;
        gone[(*gone_count)++] = ids[i];
        r = unused_step(unused, unused->changes, ids[i], error);
        if (!r)
            r = unused_step(unused, unused->gate, ids[i], error);
    }
    return r;
}

int unused_run(struct unused *unused, struct sweep_marks *marks, struct unused_walk *walk,
               int64_t gone[UNUSED_MAX], int *count, struct error *error) {
    const struct unused_walk before = *walk;
    int64_t ids[UNUSED_MAX];
    int candidates = 0;
    bool caught_up = true;
    *count = 0;
    int r = unused_look(unused, marks, walk, ids, &candidates, error);
    if (r || !candidates)
        return r;
    r = database_run(unused->database, "BEGIN IMMEDIATE", error);
    if (!r)
        r = unused_catch_up(unused, marks, walk, &caught_up, error);
    if (!r && caught_up)
        r = unused_delete(unused, marks, ids, candidates, gone, count, error);
    if (!r)
        r = database_run(unused->database, "COMMIT", error);
    if (!sqlite3_get_autocommit(unused->database->handle))
        sqlite3_exec(unused->database->handle, "ROLLBACK", NULL, NULL, NULL);
    walk->end |= !caught_up;
    if (r) {
        *walk = before;
        *count = 0;
    }
    return r;
}
