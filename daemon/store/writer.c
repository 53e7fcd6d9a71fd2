#include "outhook/store/writer.h"

#include "outhook/delivery/gate.h"
#include "outhook/store/database.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define LAST " last_status_code = ?3, last_error = ?4, last_duration_ms = ?5"

/* Whether the status stands in SET decides whether the lane's index is touched. A delivery that was
 * put on hold while its call was under way stays there, if it isn't finished by it. OR ROLLBACK, as
 * a failure ends the transaction anyway: to undo one statement alone, SQLite would copy each page
 * that the statement writes. */
static const char sql_again[] = "UPDATE OR ROLLBACK deliveries SET attempts = attempts + 1,"
                                " due_at = CASE held WHEN 0 THEN ?2 ELSE due_at END,"
                                " held_due_at = CASE held WHEN 1 THEN ?2 END, retry_at = ?6," LAST
                                " WHERE id = ?1 AND status = 'pending'";
static const char sql_finish[] =
    "UPDATE OR ROLLBACK deliveries SET attempts = attempts + 1, finished_at = ?2," LAST
    ", status = ?6, due_at = coalesce(held_due_at, due_at), held = 0, held_due_at = NULL"
    " WHERE id = ?1 AND status = 'pending'";
static const char sql_cancelled[] =
    "UPDATE OR ROLLBACK deliveries SET attempts = attempts + 1," LAST " WHERE id = ?1";
static const char sql_expire[] =
    "UPDATE deliveries SET status = 'expired', finished_at = ?2, last_error = ?3"
    " WHERE id = ?1 AND status = 'pending' AND held = 0";
static const char sql_attempt[] =
    "INSERT OR ROLLBACK INTO attempts (delivery_id, number, verdict, started_at, duration_ms,"
    " status_code, error, remote_address, response_headers, response_body, phase)"
    " VALUES (?1, ?11, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
static const char sql_pending[] = "UPDATE queue_depth SET pending = pending - ?1";
static const char sql_disable[] = "UPDATE endpoints SET enabled = 0, disabled_at = ?2,"
                                  " disabled_reason = coalesce(?3, 'no success since '"
                                  " || datetime(failing_since / 1000, 'unixepoch') || ' UTC')"
                                  " WHERE id = ?1 AND enabled = 1";
static const char sql_failing[] = "UPDATE endpoints SET failing_since = ?2 WHERE id = ?1";
static const char sql_gate[] =
    "INSERT OR REPLACE INTO endpoint_gates (endpoint_id, gate, until_at, in_flight, max_in_flight,"
    " changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char sql_no_gate[] = "DELETE FROM endpoint_gates WHERE endpoint_id = ?1";
/* Of the row, and of its place in its lane. */
static const char sql_warm[] =
    "SELECT (SELECT 1 FROM deliveries AS l INDEXED BY deliveries_lane WHERE l.status = 'pending'"
    " AND l.endpoint_id = d.endpoint_id AND l.due_at = d.due_at AND l.id = d.id)"
    " FROM deliveries AS d WHERE d.id = ?1";

int writer_open(struct writer *writer, struct database *database, struct error *error) {
    *writer = (struct writer){.database = database};
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&writer->again, sql_again},     {&writer->finish, sql_finish},
        {&writer->expire, sql_expire},   {&writer->cancelled, sql_cancelled},
        {&writer->attempt, sql_attempt}, {&writer->pending, sql_pending},
        {&writer->disable, sql_disable}, {&writer->gate, sql_gate},
        {&writer->no_gate, sql_no_gate}, {&writer->failing, sql_failing},
    };
    int r = 0;
    for (size_t i = 0; !r && i < sizeof all / sizeof *all; i++)
        r = database_prepare(database, all[i].statement, all[i].sql, error);
    /* When somebody has dropped its index that makes all slow, but is no reason to end. */
    if (!r && database_prepare(database, &writer->warm, sql_warm, NULL))
        writer->warm = NULL;
    return r;
}

void writer_close(struct writer *writer) {
    sqlite3_stmt *const all[] = {writer->again,   writer->finish,  writer->expire,
                                 writer->attempt, writer->pending, writer->cancelled,
                                 writer->disable, writer->gate,    writer->no_gate,
                                 writer->failing, writer->warm};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    *writer = (struct writer){0};
}

static int writer_step(struct writer *writer, sqlite3_stmt *statement, struct error *error) {
    int code = sqlite3_step(statement), r = 0;
    if (code != SQLITE_DONE)
        r = database_error(writer->database, code, "write outcomes", error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return r;
}

/* Whether the last statement has found no row to change. */
static bool writer_missed(const struct writer *writer) {
    return sqlite3_changes(writer->database->handle) == 0;
}

static void bind_status_code(sqlite3_stmt *statement, int parameter, int status_code) {
    if (status_code)
        sqlite3_bind_int(statement, parameter, status_code);
    else
        sqlite3_bind_null(statement, parameter);
}

static void bind_last(sqlite3_stmt *statement, const struct write *write) {
    const struct outcome *outcome = &write->outcome;
    sqlite3_bind_int64(statement, 1, write->delivery_id);
    bind_status_code(statement, 3, outcome->status_code);
    database_bind_text(statement, 4, outcome->error);
    sqlite3_bind_int64(statement, 5, outcome->duration_ms);
}

static const char *const fate_status[] = {
    [WRITE_DELIVERED] = "delivered",
    [WRITE_AGAIN] = "pending",
    [WRITE_FAILED] = "failed",
    [WRITE_EXPIRED] = "expired",
};

/* *found: there is such a row. */
static int writer_update(struct writer *writer, struct write *write, bool *found,
                         struct error *error) {
    sqlite3_stmt *statement = write->fate == WRITE_AGAIN ? writer->again : writer->finish;
    bind_last(statement, write);
    sqlite3_bind_int64(statement, 2,
                       write->fate == WRITE_AGAIN ? write->due_at : write->finished_at);
    if (write->fate != WRITE_AGAIN)
        database_bind_text(statement, 6, fate_status[write->fate]);
    else if (write->retry_at)
        sqlite3_bind_int64(statement, 6, write->retry_at);
    int r = writer_step(writer, statement, error);
    *found = !writer_missed(writer);
    if (r || *found)
        return r;

    /* Cancelled while the call was under way: the call was made all the same, so it is recorded. */
    write->settled = true;
    bind_last(writer->cancelled, write);
    r = writer_step(writer, writer->cancelled, error);
    *found = !writer_missed(writer);
    return r;
}

static int writer_attempt(struct writer *writer, const struct write *write, struct error *error) {
    const struct outcome *outcome = &write->outcome;
    sqlite3_stmt *statement = writer->attempt;
    sqlite3_bind_int64(statement, 1, write->delivery_id);
    database_bind_text(statement, 2, verdict_name(outcome->verdict));
    sqlite3_bind_int64(statement, 3, outcome->started_at);
    sqlite3_bind_int64(statement, 4, outcome->duration_ms);
    bind_status_code(statement, 5, outcome->status_code);
    database_bind_text(statement, 6, outcome->error);
    database_bind_text(statement, 7, *outcome->remote_address ? outcome->remote_address : NULL);
    database_bind_text(statement, 8, outcome->response_headers);
    database_bind_text(statement, 10, phase_name(outcome->phase));
    sqlite3_bind_int(statement, 11, write->number);
    if (outcome->response_body)
        sqlite3_bind_blob64(statement, 9, outcome->response_body, outcome->response_body_bytes,
                            SQLITE_STATIC);
    return writer_step(writer, statement, error);
}

static int writer_expire(struct writer *writer, struct write *write, struct error *error) {
    sqlite3_bind_int64(writer->expire, 1, write->delivery_id);
    sqlite3_bind_int64(writer->expire, 2, write->finished_at);
    database_bind_text(writer->expire, 3, "expired before it could be sent");
    int r = writer_step(writer, writer->expire, error);
    write->settled = writer_missed(writer);
    return r;
}

static int writer_disable(struct writer *writer, const struct write *write, struct error *error) {
    sqlite3_bind_int64(writer->disable, 1, write->endpoint_id);
    sqlite3_bind_int64(writer->disable, 2, write->outcome.started_at);
    if (write->outcome.verdict == VERDICT_GONE)
        database_bind_text(writer->disable, 3, "it answered 410 Gone");
    return writer_step(writer, writer->disable, error);
}

static int writer_failing(struct writer *writer, const struct write *write, struct error *error) {
    sqlite3_bind_int64(writer->failing, 1, write->endpoint_id);
    if (write->failing_since)
        sqlite3_bind_int64(writer->failing, 2, write->failing_since);
    return writer_step(writer, writer->failing, error);
}

static int writer_write(struct writer *writer, struct write *write, struct error *error) {
    bool found;
    write->settled = false;
    if (!write->attempted)
        return writer_expire(writer, write, error);

    int r = writer_update(writer, write, &found, error);
    if (!r && found)
        r = writer_attempt(writer, write, error);
    if (!r && (write->failing_since || write->failing_ended))
        r = writer_failing(writer, write, error);
    if (!r && write->disable_endpoint)
        r = writer_disable(writer, write, error);
    return r;
}

/* The triggers that count for people are off here, so the queue's depth is kept by hand. */
static int writer_count(struct writer *writer, int finished, struct error *error) {
    if (!finished)
        return 0;
    sqlite3_bind_int(writer->pending, 1, finished);
    return writer_step(writer, writer->pending, error);
}

static int writer_begin(struct writer *writer, struct error *error) {
    int code = sqlite3_exec(writer->database->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return code ? database_error(writer->database, code, "write outcomes", error) : 0;
}

static int writer_end(struct writer *writer, int r, struct error *error) {
    sqlite3 *handle = writer->database->handle;
    if (!r) {
        int code = sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
        if (!code)
            return 0;
        r = database_error(writer->database, code, "commit outcomes", error);
    }
    if (!sqlite3_get_autocommit(handle))
        sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

void writer_warm(struct writer *writer, struct write *const *writes, int count) {
    for (int i = 0; writer->warm && i < count; i++) {
        sqlite3_bind_int64(writer->warm, 1, writes[i]->delivery_id);
        sqlite3_step(writer->warm);
        sqlite3_reset(writer->warm);
    }
}

int writer_commit(struct writer *writer, struct write *const *writes, int count,
                  struct error *error) {
    int finished = 0, r = writer_begin(writer, error);
    if (r)
        return r;
    for (int i = 0; !r && i < count; i++) {
        r = writer_write(writer, writes[i], error);
        finished += !writes[i]->settled && writes[i]->fate != WRITE_AGAIN;
    }
    if (!r)
        r = writer_count(writer, finished, error);
    return writer_end(writer, r, error);
}

int writer_limits(struct writer *writer, int64_t max_pending, int64_t max_payload_bytes,
                  struct error *error) {
    int64_t differ = 0;
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT max_pending <> %" PRId64 " OR max_payload_bytes <> %" PRId64
             " FROM queue_depth",
             max_pending, max_payload_bytes);
    int r = database_integer(writer->database, sql, &differ, error);
    if (r || !differ)
        return r;

    snprintf(sql, sizeof sql,
             "UPDATE queue_depth SET max_pending = %" PRId64 ", max_payload_bytes = %" PRId64,
             max_pending, max_payload_bytes);
    r = writer_begin(writer, error);
    if (!r)
        r = writer_end(writer, database_run(writer->database, sql, error), error);
    return r;
}

/* A row that comes and goes, as SQLite does not write a page that an update leaves as it is. */
static const char sql_prove[] = "INSERT OR REPLACE INTO endpoint_gates (endpoint_id, gate, "
                                "in_flight, max_in_flight, changed_at)"
                                " VALUES (-1, 'starting', 0, 0, 0); DELETE FROM endpoint_gates";

int writer_prove(struct writer *writer, struct error *error) {
    int r = writer_begin(writer, error);
    if (!r)
        r = writer_end(writer, database_run(writer->database, sql_prove, error), error);
    return r;
}

/* ---- gates ----------------------------------------------------------------------------------- */

static int writer_gate(struct writer *writer, const struct gate_change *change, int64_t now_wall_ms,
                       struct error *error) {
    const struct gate *gate = &change->gate;
    sqlite3_stmt *statement = gate->kind ? writer->gate : writer->no_gate;
    sqlite3_bind_int64(statement, 1, change->endpoint_id);
    if (gate->kind) {
        database_bind_text(statement, 2, gate_name(gate->kind));
        if (gate->until_at)
            sqlite3_bind_int64(statement, 3, gate->until_at);
        sqlite3_bind_int(statement, 4, gate->in_flight);
        sqlite3_bind_int(statement, 5, gate->limit);
        sqlite3_bind_int64(statement, 6, now_wall_ms);
    }
    return writer_step(writer, statement, error);
}

int writer_gates(struct writer *writer, const struct gate_change *changes, int count,
                 int64_t now_wall_ms, struct error *error) {
    int r = writer_begin(writer, error);
    if (r)
        return r;
    for (int i = 0; !r && i < count; i++)
        r = writer_gate(writer, &changes[i], now_wall_ms, error);
    return writer_end(writer, r, error);
}

int writer_clear_gates(struct writer *writer, struct error *error) {
    int64_t any = 0;
    int r = database_integer(writer->database, "SELECT EXISTS (SELECT 1 FROM endpoint_gates)", &any,
                             error);
    if (r || !any)
        return r;
    r = writer_begin(writer, error);
    if (!r)
        r = writer_end(writer, database_run(writer->database, "DELETE FROM endpoint_gates", error),
                       error);
    return r == ERROR_BUSY || r == ERROR_FULL ? 0 : r;
}
