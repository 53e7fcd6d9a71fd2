#include "outhook/store/unrouted.h"

#include "outhook/base/clock.h"
#include "outhook/store/database.h"
#include "outhook/store/sweep.h"

#include <sqlite3.h>
#include <time.h>

int unrouted_count(struct database *database, int64_t created_before, int64_t *count,
                   struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement,
                             "SELECT count(*) FROM webhooks AS w WHERE created_at < ?1 AND NOT "
                             "EXISTS (SELECT 1 FROM deliveries AS d WHERE d.webhook_id = w.id)",
                             error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, created_before);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *count = sqlite3_column_int64(statement, 0);
    else
        r = database_error(database, code, "count the webhooks", error);
    sqlite3_finalize(statement);
    return r;
}

static void rest(int64_t worked_us) {
    const struct timespec pause = {.tv_sec = worked_us / 1000000,
                                   .tv_nsec = worked_us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

int unrouted_purge(struct database *database, int64_t created_before, int64_t *deleted,
                   unrouted_report *report, void *context, struct error *error) {
    const struct sweep_horizons horizons = {.delivered = created_before};
    struct sweep_walk walk = {0};
    struct sweep sweep;
    *deleted = 0;
    int r = sweep_open(&sweep, database, error);
    while (!r && !walk.end && report(*deleted, context)) {
        int64_t began_us = clock_mono_us();
        r = sweep_webhooks(&sweep, &horizons, &walk, error);
        *deleted = sweep.webhooks_deleted;
        rest(clock_mono_us() - began_us);
    }
    sweep_close(&sweep);
    return r;
}
