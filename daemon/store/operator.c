#include "outhook/store/operator.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>

enum {
    OPERATOR_SLICE_ROWS = 500,      /* changed in a transaction */
    OPERATOR_PAUSE_MAX_US = 100000, /* after a slice */
    OPERATOR_CHUNK_ROWS = 100000,   /* looked up at once: bounds memory, and spares scans */
};

/* The deliveries to change next. Looked up outside of the transactions, which are to be short. */
struct chunk {
    int64_t ids[OPERATOR_CHUNK_ROWS];
    size_t count;
};

/* ---- looking up ------------------------------------------------------------------------------ */

static struct selection selection_narrow(const struct selection *selection,
                                         const struct operator_change *change) {
    struct selection narrow = *selection;
    narrow.statuses = selection->statuses ? selection->statuses & change->from : change->from;
    return narrow;
}

static int operator_prepare(struct database *database, const struct selection *selection,
                            const char *what, int64_t after_id, int64_t last_id, int64_t limit,
                            sqlite3_stmt **statement, struct error *error) {
    struct buffer sql = {0};
    buffer_print(&sql,
                 "SELECT %s FROM deliveries AS d WHERE d.id > %" PRId64 " AND d.id <= %" PRId64,
                 what, after_id, last_id);
    selection_append(selection, &sql);
    buffer_print(&sql, " ORDER BY d.id LIMIT %" PRId64, limit);
    int r = database_prepare(database, statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (!r)
        selection_bind(selection, *statement);
    return r;
}

/* How many there are, and the last one's id: what is enqueued later isn't meant. */
static int operator_measure(struct database *database, const struct selection *narrow,
                            int64_t *count, int64_t *last_id, struct error *error) {
    *count = *last_id = 0;
    if (!narrow->statuses)
        return 0;
    sqlite3_stmt *statement;
    int r = operator_prepare(database, narrow, "count(*), max(d.id)", 0, INT64_MAX, 1, &statement,
                             error);
    if (r)
        return r;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *count = sqlite3_column_int64(statement, 0);
        *last_id = sqlite3_column_int64(statement, 1);
    } else {
        r = database_error(database, code, "count the deliveries", error);
    }
    sqlite3_finalize(statement);
    return r;
}

int operator_count(struct database *database, const struct selection *selection,
                   const struct operator_change *change, int64_t *count, struct error *error) {
    const struct selection narrow = selection_narrow(selection, change);
    int64_t last_id;
    return operator_measure(database, &narrow, count, &last_id, error);
}

static int chunk_read(struct database *database, const struct selection *narrow, int64_t after_id,
                      int64_t last_id, struct chunk *chunk, struct error *error) {
    chunk->count = 0;
    sqlite3_stmt *statement;
    int r = operator_prepare(database, narrow, "d.id", after_id, last_id, OPERATOR_CHUNK_ROWS,
                             &statement, error);
    if (r)
        return r;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        chunk->ids[chunk->count++] = sqlite3_column_int64(statement, 0);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "look up the deliveries", error);
    sqlite3_finalize(statement);
    return r;
}

/* ---- changing -------------------------------------------------------------------------------- */

static int row_change(struct database *database, sqlite3_stmt *update, int64_t id,
                      struct operator_result *result, struct error *error) {
    sqlite3_bind_int64(update, 1, id);
    int code = sqlite3_step(update);
    int r = 0;
    if (code == SQLITE_DONE) {
        result->changed += sqlite3_changes(database->handle);
    } else if ((code & 0xff) == SQLITE_CONSTRAINT) {
        struct error *first = result->refused++ ? NULL : &result->refusal;
        (void)!database_error(database, code, "change the delivery", first);
    } else {
        r = database_error(database, code, "change the delivery", error);
    }
    sqlite3_reset(update);
    return r;
}

/* With a full queue, every other row would be refused as well. */
static int queue_is_full(struct database *database, const struct operator_change *change,
                         int64_t *full, struct error *error) {
    *full = 0;
    if (change->from & SELECTION_PENDING)
        return 0;
    return database_integer(database, "SELECT pending >= max_pending FROM queue_depth", full,
                            error);
}

static int slice_change(struct database *database, sqlite3_stmt *update, const int64_t *ids,
                        size_t count, struct operator_result *result, struct error *error) {
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    struct operator_result done = *result;
    for (size_t i = 0; !r && i < count; i++)
        r = row_change(database, update, ids[i], &done, error);
    if (!r)
        r = database_run(database, "COMMIT", error);
    if (r)
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    else
        *result = done;
    return r;
}

/* Everything that one change has at hand. */
struct changing {
    struct database *database;
    const struct operator_change *change;
    struct operator_result *result;
    operator_report *report;
    void *context;
    sqlite3_stmt *update;
};

/* Leaves the lock alone for as long as it was held: who waits for it looks only now and then, and
 * would find it taken again each time. */
static void slice_pause(int64_t held_us) {
    int64_t us = held_us < OPERATOR_PAUSE_MAX_US ? held_us : OPERATOR_PAUSE_MAX_US;
    const struct timespec pause = {.tv_nsec = (long)us * 1000};
    nanosleep(&pause, NULL);
}

static int chunk_change(struct changing *changing, const struct chunk *chunk, struct error *error) {
    struct operator_result *result = changing->result;
    for (size_t i = 0; i < chunk->count && !result->stopped; i += OPERATOR_SLICE_ROWS) {
        size_t left = chunk->count - i;
        int64_t refused = result->refused, full = 0, began_us = clock_mono_us();
        int r =
            slice_change(changing->database, changing->update, chunk->ids + i,
                         left < OPERATOR_SLICE_ROWS ? left : OPERATOR_SLICE_ROWS, result, error);
        slice_pause(clock_mono_us() - began_us);
        if (!r && result->refused > refused)
            r = queue_is_full(changing->database, changing->change, &full, error);
        if (r)
            return r;
        result->stopped =
            full || (changing->report && !changing->report(result, changing->context));
    }
    return 0;
}

/* The status is looked at again: the daemon may have been quicker. */
static int changing_prepare(struct changing *changing, unsigned from, struct error *error) {
    const struct selection still = {.statuses = from};
    struct buffer sql = {0};
    buffer_print(&sql, "UPDATE deliveries AS d SET status = '%s' WHERE d.id = ?1",
                 changing->change->to);
    selection_append(&still, &sql);
    int r = database_prepare(changing->database, &changing->update, buffer_text(&sql), error);
    buffer_free(&sql);
    return r;
}

static int changing_run(struct changing *changing, const struct selection *narrow, int64_t last_id,
                        struct error *error) {
    struct chunk *chunk = new (struct chunk);
    int64_t after_id = 0;
    int r = changing_prepare(changing, narrow->statuses, error);
    while (!r && after_id < last_id && !changing->result->stopped) {
        r = chunk_read(changing->database, narrow, after_id, last_id, chunk, error);
        if (!r)
            r = chunk_change(changing, chunk, error);
        after_id = chunk->count == OPERATOR_CHUNK_ROWS ? chunk->ids[chunk->count - 1] : last_id;
    }
    sqlite3_finalize(changing->update);
    free(chunk);
    return r;
}

int operator_change_all(struct database *database, const struct selection *selection,
                        const struct operator_change *change, struct operator_result *result,
                        operator_report *report, void *context, struct error *error) {
    *result = (struct operator_result){0};
    const struct selection narrow = selection_narrow(selection, change);
    struct changing changing = {database, change, result, report, context, NULL};
    int64_t last_id;
    int r = operator_measure(database, &narrow, &result->selected, &last_id, error);
    return r || !result->selected ? r : changing_run(&changing, &narrow, last_id, error);
}

int operator_status(struct database *database, int64_t delivery_id, char **status,
                    struct error *error) {
    *status = NULL;
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, "SELECT status FROM deliveries WHERE id = ?1",
                             error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, delivery_id);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *status = database_text(statement, 0);
    else if (code != SQLITE_DONE)
        r = database_error(database, code, "read the delivery", error);
    sqlite3_finalize(statement);
    return r;
}
