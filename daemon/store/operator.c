#include "outhook/store/operator.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/store/checkpoint.h"
#include "outhook/store/database.h"
#include "outhook/store/overview.h"
#include "outhook/store/space.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    OPERATOR_WORK_LEAST_US = 1000,  /* of a slice, however long the disk takes to commit */
    OPERATOR_PAUSE_MAX_US = 100000, /* after a slice */
    OPERATOR_CHUNK_ROWS = 100000,   /* looked up at once: bounds memory, and spares scans */
};

/* The deliveries to change next. Looked up outside of the transactions, which are to be short. */
struct chunk {
    int64_t ids[OPERATOR_CHUNK_ROWS];
    size_t count;
};

/* What each act is in SQL; the status is looked at again, as the daemon may have been quicker. */
static const struct act {
    unsigned from;
    enum selection_held held;
    const char *sql;
} acts[] = {
    [OPERATOR_REPLAY] = {SELECTION_FINISHED, SELECTION_HELD_OR_NOT,
                         "UPDATE deliveries AS d SET status = 'pending' WHERE d.id = ?1"},
    [OPERATOR_CANCEL] = {SELECTION_PENDING, SELECTION_HELD_OR_NOT,
                         "UPDATE deliveries AS d SET status = 'cancelled' WHERE d.id = ?1"},
    [OPERATOR_HOLD] = {SELECTION_PENDING, SELECTION_NOT_HELD,
                       "UPDATE deliveries AS d SET held = 1 WHERE d.id = ?1"},
    [OPERATOR_RELEASE] = {SELECTION_PENDING, SELECTION_HELD,
                          "UPDATE deliveries AS d SET held = 0 WHERE d.id = ?1"},
    [OPERATOR_PURGE] = {SELECTION_FINISHED, SELECTION_HELD_OR_NOT,
                        "DELETE FROM deliveries AS d WHERE d.id = ?1"},
};

static const char sql_replay_at[] =
    "UPDATE deliveries AS d SET status = 'pending', due_at = ?2 WHERE d.id = ?1";
static const char sql_purge_webhook[] =
    "DELETE FROM webhooks WHERE id = ?1 "
    "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE webhook_id = ?1)";

unsigned operator_statuses(enum operator_act act) {
    return acts[act].from;
}

/* ---- looking up ------------------------------------------------------------------------------ */

static struct selection selection_narrow(const struct selection *selection, enum operator_act act) {
    const unsigned from = acts[act].from;
    struct selection narrow = *selection;
    narrow.statuses = selection->statuses ? selection->statuses & from : from;
    if (acts[act].held != SELECTION_HELD_OR_NOT)
        narrow.held = acts[act].held;
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
    if (narrow->limit && *count > narrow->limit)
        *count = narrow->limit;
    return r;
}

int operator_count(struct database *database, const struct selection *selection,
                   enum operator_act act, int64_t *count, struct error *error) {
    const struct selection narrow = selection_narrow(selection, act);
    int64_t last_id;
    return operator_measure(database, &narrow, count, &last_id, error);
}

/* Reads up to `most` of them. */
static int chunk_read(struct database *database, const struct selection *narrow, int64_t after_id,
                      int64_t last_id, int64_t most, struct chunk *chunk, struct error *error) {
    chunk->count = 0;
    sqlite3_stmt *statement;
    int r = operator_prepare(database, narrow, "d.id", after_id, last_id,
                             most < OPERATOR_CHUNK_ROWS ? most : OPERATOR_CHUNK_ROWS, &statement,
                             error);
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

/* ---- the log --------------------------------------------------------------------------------- */

/* A daemon empties the log as it grows. Where none runs, a long change would fill the disk with it,
 * so it is emptied here in the same guarded way; the guard takes a connection of its own. */
struct keeper {
    struct database database;
    struct checkpoint checkpoint;
    bool open;
};

static void keeper_open(struct keeper *keeper, const struct database *database) {
    *keeper = (struct keeper){0};
    if (database_open(&keeper->database, database->path, DATABASE_PERSON, 0, NULL))
        return; /* then the log grows until the last connection closes */
    keeper->open = !checkpoint_open(&keeper->checkpoint, &keeper->database, NULL);
}

static int keeper_run(struct keeper *keeper, struct error *error) {
    if (!keeper->open || overview_daemon_runs(&keeper->database, NULL))
        return 0;
    return checkpoint_run(&keeper->checkpoint, clock_now().mono_ms, error);
}

static void keeper_close(struct keeper *keeper) {
    database_close(&keeper->database);
    checkpoint_close(&keeper->checkpoint);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* Everything that one change has at hand. */
struct changing {
    struct database *database;
    const struct operator_change *change;
    struct operator_result *result;
    operator_report *report;
    void *context;
    sqlite3_stmt *statement, *webhook; /* webhook: of a purge */
    int64_t due_at;                    /* of the first one replayed, when there is a rate */
    int64_t commit_us;                 /* that the last commits took */
    struct keeper keeper;
};

static int64_t changing_due_at(const struct changing *changing, int64_t changed) {
    return changing->due_at + (int64_t)((double)changed * 1000 / changing->change->rate);
}

/* The webhook of a purged delivery goes with its last one. */
static int row_purge_webhook(struct changing *changing, int64_t webhook_id, struct error *error) {
    sqlite3_bind_int64(changing->webhook, 1, webhook_id);
    int code = sqlite3_step(changing->webhook);
    sqlite3_reset(changing->webhook);
    return code == SQLITE_DONE
               ? 0
               : database_error(changing->database, code, "delete the webhook", error);
}

static int row_change(struct changing *changing, int64_t id, struct operator_result *result,
                      struct error *error) {
    sqlite3_stmt *statement = changing->statement;
    int64_t webhook_id = 0;
    int r = 0;
    sqlite3_bind_int64(statement, 1, id);
    if (changing->due_at && changing->change->rate > 0)
        sqlite3_bind_int64(statement, 2, changing_due_at(changing, result->changed));
    else if (changing->due_at)
        sqlite3_bind_int64(statement, 2, changing->due_at);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        webhook_id = sqlite3_column_int64(statement, 0);
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_DONE) {
        result->changed += webhook_id != 0;
    } else if ((code & 0xff) == SQLITE_CONSTRAINT) {
        struct error *first = result->refused++ ? NULL : &result->refusal;
        (void)!database_error(changing->database, code, "change the delivery", first);
        webhook_id = 0;
    } else {
        r = database_error(changing->database, code, "change the delivery", error);
    }
    sqlite3_reset(statement);
    if (!r && webhook_id && changing->webhook)
        r = row_purge_webhook(changing, webhook_id, error);
    return r;
}

/* With a full queue, every other row would be refused as well. */
static int queue_is_full(const struct changing *changing, int64_t *full, struct error *error) {
    *full = 0;
    if (changing->change->act != OPERATOR_REPLAY)
        return 0;
    return database_integer(changing->database, "SELECT pending >= max_pending FROM queue_depth",
                            full, error);
}

/* How long the next slice may work before it commits. */
static int64_t slice_work_us(const struct changing *changing) {
    int64_t us = OPERATOR_HOLD_US - changing->commit_us;
    return us > OPERATOR_WORK_LEAST_US ? us : OPERATOR_WORK_LEAST_US;
}

static int slice_end(struct changing *changing, int r, struct error *error) {
    int64_t began_us = clock_mono_us();
    if (!r)
        r = database_run(changing->database, "COMMIT", error);
    if (r)
        sqlite3_exec(changing->database->handle, "ROLLBACK", NULL, NULL, NULL);
    /* A slow one counts at once, and is forgotten slowly. */
    int64_t us = clock_mono_us() - began_us, before_us = changing->commit_us;
    changing->commit_us = us > before_us ? us : (before_us * 7 + us) / 8;
    return r;
}

/* Leaves the lock alone for as long as it was held: who waits for it looks only now and then, and
 * would find it taken again each time. */
static void slice_pause(int64_t held_us) {
    int64_t us = held_us < OPERATOR_PAUSE_MAX_US ? held_us : OPERATOR_PAUSE_MAX_US;
    const struct timespec pause = {.tv_nsec = (long)us * 1000};
    nanosleep(&pause, NULL);
}

/* Changes the first of `count` deliveries, as many as time allows; *done becomes how many. */
static int slice_change(struct changing *changing, const int64_t *ids, size_t count, size_t *done,
                        struct error *error) {
    struct operator_result result = *changing->result;
    int r = database_run(changing->database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    int64_t began_us = clock_mono_us(), work_us = slice_work_us(changing);
    *done = 0;
    while (!r && *done < count && (!*done || clock_mono_us() - began_us < work_us))
        r = row_change(changing, ids[(*done)++], &result, error);
    r = slice_end(changing, r, error);
    int64_t held_us = clock_mono_us() - began_us;
    if (!r) {
        *changing->result = result;
        if (held_us > result.longest_us)
            changing->result->longest_us = held_us;
    }
    slice_pause(held_us);
    return r;
}

static int chunk_change(struct changing *changing, const struct chunk *chunk, struct error *error) {
    struct operator_result *result = changing->result;
    size_t done = 0;
    for (size_t i = 0; i < chunk->count && !result->stopped; i += done) {
        int64_t refused = result->refused, full = 0;
        int r = slice_change(changing, chunk->ids + i, chunk->count - i, &done, error);
        if (!r && result->refused > refused)
            r = queue_is_full(changing, &full, error);
        if (!r)
            r = keeper_run(&changing->keeper, error);
        if (r)
            return r;
        result->stopped =
            full || (changing->report && !changing->report(result, changing->context));
    }
    return 0;
}

/* A daemon gives the space of what was purged back in its own time. Where none runs, it is done
 * here.
 */
static int purge_free_space(struct changing *changing, struct error *error) {
    struct operator_result *result = changing->result;
    struct space space;
    bool more =
        changing->change->act == OPERATOR_PURGE && !overview_daemon_runs(changing->database, NULL);
    int r = more ? space_open(&space, changing->database, error) : 0;
    while (!r && more && !result->stopped) {
        int64_t began_us = clock_mono_us();
        r = space_run(&space, &more, error);
        if (!r)
            r = keeper_run(&changing->keeper, error);
        slice_pause(clock_mono_us() - began_us);
        result->stopped = changing->report && !changing->report(result, changing->context);
    }
    return r;
}

static int changing_prepare(struct changing *changing, unsigned from, struct error *error) {
    const struct operator_change *change = changing->change;
    const struct selection still = {.statuses = from, .held = acts[change->act].held};
    struct buffer sql = {0};
    if (change->rate > 0 || change->due_at)
        changing->due_at = change->due_at ? change->due_at : clock_now().wall_ms;
    buffer_print(&sql, "%s", changing->due_at ? sql_replay_at : acts[change->act].sql);
    selection_append(&still, &sql);
    buffer_print(&sql, " RETURNING webhook_id");
    int r = database_prepare(changing->database, &changing->statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (!r && change->act == OPERATOR_PURGE)
        r = database_prepare(changing->database, &changing->webhook, sql_purge_webhook, error);
    return r;
}

static int changing_run(struct changing *changing, const struct selection *narrow, int64_t last_id,
                        struct error *error) {
    struct chunk *chunk = new (struct chunk);
    struct operator_result *result = changing->result;
    int64_t after_id = 0, left = result->selected;
    int r = database_run(changing->database, "PRAGMA synchronous = NORMAL", error);
    if (!r)
        r = changing_prepare(changing, narrow->statuses, error);
    keeper_open(&changing->keeper, changing->database);
    while (!r && after_id < last_id && left > 0 && !result->stopped) {
        r = chunk_read(changing->database, narrow, after_id, last_id, left, chunk, error);
        if (!r)
            r = chunk_change(changing, chunk, error);
        after_id = chunk->count ? chunk->ids[chunk->count - 1] : last_id;
        left -= (int64_t)chunk->count;
    }
    if (!r)
        r = purge_free_space(changing, error);
    if (changing->due_at && changing->change->rate > 0)
        result->next_due_at = changing_due_at(changing, result->changed);
    sqlite3_finalize(changing->statement);
    sqlite3_finalize(changing->webhook);
    /* What the daemon has moved out of the log meanwhile, it has synced. */
    int synced = checkpoint_sync_log(changing->database, r ? NULL : error);
    sqlite3_exec(changing->database->handle, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    keeper_close(&changing->keeper);
    free(chunk);
    return r ? r : synced;
}

int operator_change_all(struct database *database, const struct selection *selection,
                        const struct operator_change *change, struct operator_result *result,
                        operator_report *report, void *context, struct error *error) {
    *result = (struct operator_result){0};
    const struct selection narrow = selection_narrow(selection, change->act);
    struct changing changing = {
        .database = database,
        .change = change,
        .result = result,
        .report = report,
        .context = context,
    };
    int64_t last_id;
    int r = operator_measure(database, &narrow, &result->selected, &last_id, error);
    return r || !result->selected ? r : changing_run(&changing, &narrow, last_id, error);
}

int operator_state_read(struct database *database, int64_t delivery_id,
                        struct operator_state *state, struct error *error) {
    *state = (struct operator_state){0};
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement,
                             "SELECT status, held FROM deliveries WHERE id = ?1", error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, delivery_id);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        state->status = database_text(statement, 0);
        state->held = sqlite3_column_int(statement, 1) != 0;
    } else if (code != SQLITE_DONE) {
        r = database_error(database, code, "read the delivery", error);
    }
    sqlite3_finalize(statement);
    return r;
}
