#include "outhook/store/sweep.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum {
    SWEEP_ROWS = 500,         /* looked at in a slice */
    SWEEP_ATTEMPT_ROWS = 200, /* likewise; these may carry an answer's body */
    SWEEP_WORK_US = 3000,     /* that a slice's transaction may work before it commits */
};

static const char sql_deliveries[] =
    "SELECT id, webhook_id, endpoint_id, status, created_at, finished_at FROM deliveries"
    " WHERE id > ?1 ORDER BY id LIMIT ?2";
/* Not one that was replayed since it was read. */
static const char sql_delivery[] =
    "DELETE FROM deliveries WHERE id = ?1 AND finished_at < ?2 AND status <> 'pending'";
static const char sql_attempts_of[] = "DELETE FROM attempts WHERE delivery_id = ?1";
static const char sql_webhook[] =
    "DELETE FROM webhooks WHERE id = ?1"
    " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE webhook_id = ?1)";
static const char sql_attempts[] =
    "SELECT id, started_at FROM attempts WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char sql_attempt[] = "DELETE FROM attempts WHERE id = ?1";
static const char sql_webhooks[] =
    "SELECT id, created_at, EXISTS (SELECT 1 FROM deliveries AS d WHERE d.webhook_id = w.id)"
    " FROM webhooks AS w WHERE id > ?1 ORDER BY id LIMIT ?2";

int sweep_open(struct sweep *sweep, struct database *database, struct error *error) {
    *sweep = (struct sweep){.database = database};
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&sweep->deliveries, sql_deliveries},   {&sweep->delivery, sql_delivery},
        {&sweep->attempts_of, sql_attempts_of}, {&sweep->webhook, sql_webhook},
        {&sweep->attempts, sql_attempts},       {&sweep->attempt, sql_attempt},
        {&sweep->webhooks, sql_webhooks},
    };
    int r = 0;
    for (size_t i = 0; !r && i < sizeof all / sizeof *all; i++)
        r = database_prepare(database, all[i].statement, all[i].sql, error);
    return r;
}

void sweep_close(struct sweep *sweep) {
    sqlite3_stmt *const all[] = {sweep->deliveries, sweep->delivery, sweep->attempts_of,
                                 sweep->webhook,    sweep->attempts, sweep->attempt,
                                 sweep->webhooks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    *sweep = (struct sweep){0};
}

/* ---- marks ----------------------------------------------------------------------------------- */

void sweep_mark(struct sweep_marks *marks, int64_t endpoint_id) {
    if (endpoint_id < 0)
        return;
    if (endpoint_id >= marks->count) {
        int64_t bytes = marks->count / 8, more = (endpoint_id / 8 + 1) * 2;
        marks->bits = memory_resize(marks->bits, (size_t)more, 1);
        memset(marks->bits + bytes, 0, (size_t)(more - bytes));
        marks->count = more * 8;
    }
    marks->bits[endpoint_id / 8] |= (uint8_t)(1U << endpoint_id % 8);
}

bool sweep_is_marked(const struct sweep_marks *marks, int64_t endpoint_id) {
    return endpoint_id >= 0 && endpoint_id < marks->count &&
           marks->bits[endpoint_id / 8] >> endpoint_id % 8 & 1;
}

void sweep_marks_free(struct sweep_marks *marks) {
    free(marks->bits);
    *marks = (struct sweep_marks){0};
}

/* ---- a slice --------------------------------------------------------------------------------- */

/* What a slice means to delete, in memory: a statement that reads is not held open over writes. */
struct slice {
    struct slice_row {
        int64_t id, webhook_id, endpoint_id, horizon;
    } rows[SWEEP_ROWS];
    int count;
    int64_t last_id; /* that was looked at */
};

static int sweep_step(struct sweep *sweep, sqlite3_stmt *statement, struct error *error) {
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0
                               : database_error(sweep->database, code, "delete old rows", error);
}

typedef int sweep_delete(struct sweep *sweep, const struct slice_row *row, struct error *error);

/* Deletes the rows of a slice, as many as time allows; the walk moves behind the last one of them.
 */
static int slice_delete(struct sweep *sweep, const struct slice *slice, sweep_delete *remove_row,
                        struct sweep_walk *walk, struct error *error) {
    const struct sweep before = *sweep;
    int64_t began_us = clock_mono_us();
    int done = 0;
    int r = database_run(sweep->database, "BEGIN IMMEDIATE", error);
    while (!r && done < slice->count && (!done || clock_mono_us() - began_us < SWEEP_WORK_US))
        r = remove_row(sweep, &slice->rows[done++], error);
    if (!r)
        r = database_run(sweep->database, "COMMIT", error);
    if (!sqlite3_get_autocommit(sweep->database->handle))
        sqlite3_exec(sweep->database->handle, "ROLLBACK", NULL, NULL, NULL);
    if (r)
        *sweep = before;
    else if (done < slice->count)
        walk->after = slice->rows[done - 1].id;
    else
        walk->after = slice->last_id;
    if (r || done < slice->count)
        walk->end = walk->young = false;
    if (walk->old_until > walk->after)
        walk->old_until = walk->after;
    return r;
}

/* A row that was created before a horizon, or one that wasn't. */
static void walk_note(struct sweep_walk *walk, int64_t id, bool old) {
    if (old)
        walk->young = false;
    else
        walk->met_young = true;
    if (!walk->met_young)
        walk->old_until = id;
}

/* Runs a statement that reads a slice, a row at a time. */
static int slice_read(struct sweep *sweep, sqlite3_stmt *statement, int rows,
                      struct sweep_walk *walk,
                      void (*read)(sqlite3_stmt *row, struct slice *slice, void *context),
                      void *context, struct slice *slice, struct error *error) {
    int code, count = 0;
    slice->count = 0;
    slice->last_id = walk->old_until = walk->after;
    walk->young = true;
    walk->met_young = false;
    sqlite3_bind_int64(statement, 1, walk->after);
    sqlite3_bind_int(statement, 2, rows);
    for (; (code = sqlite3_step(statement)) == SQLITE_ROW; count++) {
        slice->last_id = sqlite3_column_int64(statement, 0);
        read(statement, slice, context);
    }
    walk->end = count < rows;
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0
                               : database_error(sweep->database, code, "look for old rows", error);
}

/* What the readers of rows need to know. */
struct looking {
    const struct sweep_horizons *horizons;
    struct sweep_walk *walk;
    struct sweep_marks *marks;
};

static int slice_finish(struct sweep *sweep, const struct slice *slice, sweep_delete *remove_row,
                        struct sweep_walk *walk, struct error *error) {
    if (slice->count)
        return slice_delete(sweep, slice, remove_row, walk, error);
    walk->after = slice->last_id;
    return 0;
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static void read_delivery(sqlite3_stmt *row, struct slice *slice, void *context) {
    const struct looking *looking = context;
    const struct sweep_horizons *horizons = looking->horizons;
    const char *status = database_text_in(row, 3);
    int64_t created_at = sqlite3_column_int64(row, 4), finished_at = sqlite3_column_int64(row, 5);
    int64_t horizon =
        status && !strcmp(status, "delivered") ? horizons->delivered : horizons->failed;
    walk_note(looking->walk, sqlite3_column_int64(row, 0),
              created_at < horizons->delivered || created_at < horizons->failed);
    if (sqlite3_column_type(row, 5) != SQLITE_NULL && finished_at < horizon)
        slice->rows[slice->count++] = (struct slice_row){
            .id = sqlite3_column_int64(row, 0),
            .webhook_id = sqlite3_column_int64(row, 1),
            .endpoint_id = sqlite3_column_int64(row, 2),
            .horizon = horizon,
        };
    else if (looking->marks)
        sweep_mark(looking->marks, sqlite3_column_int64(row, 2));
}

static int delete_delivery(struct sweep *sweep, const struct slice_row *row, struct error *error) {
    sqlite3 *handle = sweep->database->handle;
    sqlite3_bind_int64(sweep->delivery, 1, row->id);
    sqlite3_bind_int64(sweep->delivery, 2, row->horizon);
    int r = sweep_step(sweep, sweep->delivery, error);
    if (!r && !sqlite3_changes(handle) && sweep->marks)
        sweep_mark(sweep->marks, row->endpoint_id); /* it stays, as it was replayed */
    if (r || !sqlite3_changes(handle))
        return r;
    sweep->deliveries_deleted++;
    sqlite3_bind_int64(sweep->attempts_of, 1, row->id);
    r = sweep_step(sweep, sweep->attempts_of, error);
    if (r)
        return r;
    sweep->attempts_deleted += sqlite3_changes(handle);
    sqlite3_bind_int64(sweep->webhook, 1, row->webhook_id);
    r = sweep_step(sweep, sweep->webhook, error);
    sweep->webhooks_deleted += r ? 0 : sqlite3_changes(handle);
    return r;
}

int sweep_deliveries(struct sweep *sweep, const struct sweep_horizons *horizons,
                     struct sweep_walk *walk, struct sweep_marks *marks, struct error *error) {
    struct looking looking = {horizons, walk, marks};
    struct slice slice;
    sweep->marks = marks;
    int r = slice_read(sweep, sweep->deliveries, SWEEP_ROWS, walk, read_delivery, &looking, &slice,
                       error);
    return r ? r : slice_finish(sweep, &slice, delete_delivery, walk, error);
}

/* ---- attempts -------------------------------------------------------------------------------- */

static void read_attempt(sqlite3_stmt *row, struct slice *slice, void *context) {
    const struct looking *looking = context;
    bool old = sqlite3_column_int64(row, 1) < looking->horizons->attempts;
    walk_note(looking->walk, sqlite3_column_int64(row, 0), old);
    if (!old)
        return;
    slice->rows[slice->count++] = (struct slice_row){.id = sqlite3_column_int64(row, 0)};
}

static int delete_attempt(struct sweep *sweep, const struct slice_row *row, struct error *error) {
    sqlite3_bind_int64(sweep->attempt, 1, row->id);
    int r = sweep_step(sweep, sweep->attempt, error);
    sweep->attempts_deleted += r ? 0 : sqlite3_changes(sweep->database->handle);
    return r;
}

int sweep_attempts(struct sweep *sweep, const struct sweep_horizons *horizons,
                   struct sweep_walk *walk, struct error *error) {
    struct looking looking = {horizons, walk, NULL};
    struct slice slice;
    int r = slice_read(sweep, sweep->attempts, SWEEP_ATTEMPT_ROWS, walk, read_attempt, &looking,
                       &slice, error);
    return r ? r : slice_finish(sweep, &slice, delete_attempt, walk, error);
}

/* ---- webhooks -------------------------------------------------------------------------------- */

static void read_webhook(sqlite3_stmt *row, struct slice *slice, void *context) {
    const struct looking *looking = context;
    bool old = sqlite3_column_int64(row, 1) < looking->horizons->delivered;
    walk_note(looking->walk, sqlite3_column_int64(row, 0), old);
    if (old && !sqlite3_column_int(row, 2))
        slice->rows[slice->count++] = (struct slice_row){.webhook_id = sqlite3_column_int64(row, 0),
                                                         .id = sqlite3_column_int64(row, 0)};
}

static int delete_webhook(struct sweep *sweep, const struct slice_row *row, struct error *error) {
    sqlite3_bind_int64(sweep->webhook, 1, row->webhook_id);
    int r = sweep_step(sweep, sweep->webhook, error);
    sweep->webhooks_deleted += r ? 0 : sqlite3_changes(sweep->database->handle);
    return r;
}

int sweep_webhooks(struct sweep *sweep, const struct sweep_horizons *horizons,
                   struct sweep_walk *walk, struct error *error) {
    struct looking looking = {horizons, walk, NULL};
    struct slice slice;
    int r = slice_read(sweep, sweep->webhooks, SWEEP_ATTEMPT_ROWS, walk, read_webhook, &looking,
                       &slice, error);
    return r ? r : slice_finish(sweep, &slice, delete_webhook, walk, error);
}
