#include "outhook/store/vitals.h"

#include "outhook/base/clock.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stddef.h>

enum {
    LOOK_EVERY_MS = 1000,
    EXACT_MAX = 2000,     /* pending rows that are walked over one by one, in about 2 ms */
    ENDPOINTS_MAX = 1000, /* looked at a second, in as long */
};

static int64_t vitals_older(int64_t a, int64_t b) {
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

/* Goes on with the walk. When it has come to the end, what it has seen is what is told. */
static int vitals_walk(struct vitals *vitals, struct database *database, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(
        database, &statement,
        "SELECT count(*), max(id), coalesce(min(oldest), 0) FROM (SELECT e.id AS id, "
        "(SELECT d.created_at FROM deliveries AS d WHERE d.endpoint_id = e.id "
        "AND d.status = 'pending' ORDER BY d.due_at LIMIT 1) AS oldest "
        "FROM endpoints AS e WHERE e.id > ?1 ORDER BY e.id LIMIT ?2)",
        error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, vitals->after_id);
    sqlite3_bind_int64(statement, 2, ENDPOINTS_MAX);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        r = database_error(database, code, "look for what is pending", error);
    bool more = !r && sqlite3_column_int(statement, 0) == ENDPOINTS_MAX;
    if (!r)
        vitals->oldest_seen = vitals_older(vitals->oldest_seen, sqlite3_column_int64(statement, 2));
    vitals->after_id = more ? sqlite3_column_int64(statement, 1) : 0;
    sqlite3_finalize(statement);
    if (r || more)
        return r;
    atomic_store(&vitals->oldest_at, vitals->oldest_seen);
    vitals->oldest_seen = 0;
    return 0;
}

static int vitals_read(struct vitals *vitals, struct database *database, struct error *error) {
    int64_t pending = 0, oldest_at = 0;
    int r = database_integer(database, "SELECT pending FROM queue_depth", &pending, error);
    if (!r)
        atomic_store(&vitals->pending, pending);
    if (r || pending > EXACT_MAX)
        return r ? r : vitals_walk(vitals, database, error);
    r = database_integer(database,
                         "SELECT min(created_at) FROM deliveries WHERE status = 'pending'",
                         &oldest_at, error);
    if (!r)
        atomic_store(&vitals->oldest_at, oldest_at);
    vitals->after_id = vitals->oldest_seen = 0;
    return r;
}

int vitals_look(struct vitals *vitals, struct database *database, int64_t now_mono_ms,
                struct error *error) {
    if (!vitals || now_mono_ms < vitals->look_at_ms)
        return 0;
    vitals->look_at_ms = now_mono_ms + LOOK_EVERY_MS;
    int r = vitals_read(vitals, database, error);
    return r == ERROR_BUSY ? 0 : r;
}

int64_t vitals_due_at(const struct vitals *vitals) {
    return vitals && vitals->after_id ? vitals->look_at_ms : CLOCK_NEVER;
}
