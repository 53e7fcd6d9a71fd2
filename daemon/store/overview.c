#include "outhook/store/overview.h"

#include "outhook/store/database.h"
#include "outhook/store/lock.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- rows ------------------------------------------------------------------------------------ */

/* One walk over the deliveries gives all that only a walk can tell; GROUP BY would sort them. */
static int count_statuses(struct database *database, struct overview *overview,
                          struct error *error) {
    struct buffer sql = {0};
    buffer_print(&sql, "SELECT ");
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++)
        buffer_print(&sql, "count(*) FILTER (WHERE status = '%s'), ", selection_status_word(i));
    buffer_print(&sql, "min(created_at) FILTER (WHERE status = 'pending') FROM deliveries");

    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (r)
        return r;
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        r = database_error(database, code, "count the deliveries", error);
    for (int i = 0; !r && i < SELECTION_STATUS_COUNT; i++)
        overview->statuses[i] = sqlite3_column_int64(statement, i);
    if (!r)
        overview->oldest_pending_at = sqlite3_column_int64(statement, SELECTION_STATUS_COUNT);
    sqlite3_finalize(statement);
    return r;
}

/* A lane's first due_at is one look into the index deliveries_lane. */
static int count_rows(struct database *database, struct overview *overview, struct error *error) {
    const struct {
        const char *sql;
        int64_t *value;
    } counts[] = {
        {"PRAGMA user_version", &overview->schema_version},
        {"SELECT pending FROM queue_depth", &overview->pending},
        {"SELECT max_pending FROM queue_depth", &overview->max_pending},
        {"SELECT min((SELECT d.due_at FROM deliveries AS d WHERE d.endpoint_id = e.id "
         "AND d.status = 'pending' ORDER BY d.due_at LIMIT 1)) FROM endpoints AS e WHERE e.enabled",
         &overview->next_due_at},
        {"SELECT count(*) FROM webhooks AS w "
         "WHERE NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.webhook_id = w.id)",
         &overview->undelivered_webhooks},
        {"SELECT count(*) FROM endpoints WHERE enabled", &overview->endpoints_enabled},
        {"SELECT count(*) FROM endpoints WHERE NOT enabled", &overview->endpoints_disabled},
    };
    int r = count_statuses(database, overview, error);
    for (size_t i = 0; !r && i < sizeof counts / sizeof *counts; i++)
        r = database_integer(database, counts[i].sql, counts[i].value, error);
    return r;
}

/* ---- files ----------------------------------------------------------------------------------- */

static char *file_beside(const struct database *database, const char *ending) {
    char *path;
    if (asprintf(&path, "%s%s", database->file, ending) < 0)
        abort();
    return path;
}

static int64_t file_bytes(const struct database *database, const char *ending) {
    struct stat status;
    char *path = file_beside(database, ending);
    int64_t bytes = stat(path, &status) == 0 ? status.st_size : 0;
    free(path);
    return bytes;
}

static int64_t read_pid(int fd) {
    char text[32] = {0};
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    return got > 0 ? strtoll(text, NULL, 10) : 0;
}

/* The daemon locks a file of its own beside the database for as long as it lives. */
bool overview_daemon_runs(const struct database *database, int64_t *pid) {
    char *path = store_lock_path(database->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0)
        return false;
    bool runs = flock(fd, LOCK_SH | LOCK_NB) < 0;
    if (runs && pid)
        *pid = read_pid(fd);
    close(fd);
    return runs;
}

int overview_read(struct database *database, struct overview *overview, struct error *error) {
    *overview = (struct overview){0};
    int r = database_run(database, "BEGIN", error);
    if (r)
        return r;
    r = count_rows(database, overview, error);
    sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    overview->database_bytes = file_bytes(database, "");
    overview->wal_bytes = file_bytes(database, "-wal");
    overview->daemon_runs = overview_daemon_runs(database, &overview->daemon_pid);
    return r;
}
