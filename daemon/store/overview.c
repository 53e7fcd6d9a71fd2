#include "outhook/store/overview.h"

#include "outhook/base/memory.h"
#include "outhook/store/database.h"
#include "outhook/store/lock.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXACT_MAX = 100000 }; /* rows that are walked over one by one */

/* ---- rows ------------------------------------------------------------------------------------ */

/* Each status but delivered has an index of its own, or a counter: what is not in them has been
 * delivered. */
static int count_statuses(struct database *database, struct overview *overview,
                          struct error *error) {
    static const char *const sql[SELECTION_STATUS_COUNT] = {
        [SELECTION_NUMBER_PENDING] = "SELECT pending FROM queue_depth",
        [SELECTION_NUMBER_DELIVERED] = "SELECT count(*) FROM deliveries",
        [SELECTION_NUMBER_FAILED] = "SELECT count(*) FROM deliveries WHERE status = 'failed'",
        [SELECTION_NUMBER_EXPIRED] = "SELECT count(*) FROM deliveries WHERE status = 'expired'",
        [SELECTION_NUMBER_CANCELLED] = "SELECT count(*) FROM deliveries WHERE status = 'cancelled'",
    };
    int r = 0;
    for (int i = 0; !r && i < SELECTION_STATUS_COUNT; i++)
        r = database_integer(database, sql[i], &overview->statuses[i], error);
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++)
        if (i != SELECTION_NUMBER_DELIVERED)
            overview->statuses[SELECTION_NUMBER_DELIVERED] -= overview->statuses[i];
    return r;
}

static int count_rows(struct database *database, struct overview *overview, struct error *error) {
    const struct {
        const char *sql;
        int64_t *value;
    } counts[] = {
        {"PRAGMA user_version", &overview->schema_version},
        {"SELECT count(*) FROM webhooks AS w "
         "WHERE w.id > (SELECT max(id) - 100000 FROM webhooks) "
         "AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.webhook_id = w.id)",
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
    char *path = memory_print("%s%s", database->file, ending);
    return path;
}

static int64_t file_bytes(const struct database *database, const char *ending) {
    struct stat status;
    char *path = file_beside(database, ending);
    int64_t bytes = stat(path, &status) == 0 ? status.st_size : 0;
    free(path);
    return bytes;
}

/* The lock's file says "PID\n", and behind that what the daemon tells of itself. */
static void read_daemon(int fd, struct glance *glance) {
    char text[128] = {0};
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    const char *in_flight = strstr(text, STORE_LOCK_IN_FLIGHT);
    glance->daemon_pid = got > 0 ? strtoll(text, NULL, 10) : 0;
    if (in_flight)
        glance->daemon_in_flight = strtoll(in_flight + strlen(STORE_LOCK_IN_FLIGHT), NULL, 10);
}

/* The daemon locks a file of its own beside the database for as long as it lives. */
void glance_read_daemon(const struct database *database, struct glance *glance) {
    char *path = store_lock_path(database->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    glance->daemon_in_flight = -1;
    if (fd < 0)
        return;
    glance->daemon_runs = flock(fd, LOCK_SH | LOCK_NB) < 0;
    if (glance->daemon_runs)
        read_daemon(fd, glance);
    setback_read(&glance->setback, fd);
    close(fd);
}

bool overview_daemon_runs(const struct database *database, int64_t *pid) {
    struct glance glance = {0};
    glance_read_daemon(database, &glance);
    if (pid)
        *pid = glance.daemon_pid;
    return glance.daemon_runs;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int find_oldest(struct database *database, struct glance *glance, struct error *error) {
    const char *sql =
        glance->pending <= EXACT_MAX
            ? "SELECT min(created_at) FROM deliveries WHERE status = 'pending'"
            : "SELECT min((SELECT d.created_at FROM deliveries AS d WHERE d.endpoint_id = e.id "
              "AND d.status = 'pending' ORDER BY d.due_at LIMIT 1)) FROM endpoints AS e";
    return database_integer(database, sql, &glance->oldest_pending_at, error);
}

/* A lane's first due_at is one look into the index deliveries_lane. */
int glance_read(struct database *database, struct glance *glance, struct error *error) {
    const struct {
        const char *sql;
        int64_t *value;
    } looks[] = {
        {"SELECT pending FROM queue_depth", &glance->pending},
        {"SELECT max_pending FROM queue_depth", &glance->max_pending},
        {"SELECT min((SELECT d.due_at FROM deliveries AS d WHERE d.endpoint_id = e.id "
         "AND d.status = 'pending' ORDER BY d.due_at LIMIT 1)) FROM endpoints AS e WHERE e.enabled",
         &glance->next_due_at},
    };
    int r = 0;
    *glance = (struct glance){0};
    glance_read_daemon(database, glance);
    for (size_t i = 0; !r && i < sizeof looks / sizeof *looks; i++)
        r = database_integer(database, looks[i].sql, looks[i].value, error);
    return r ? r : find_oldest(database, glance, error);
}

int overview_read(struct database *database, int64_t held_limit, struct overview *overview,
                  struct error *error) {
    *overview = (struct overview){0};
    int r = database_run(database, "BEGIN", error);
    if (r)
        return r;
    r = glance_read(database, &overview->glance, error);
    if (!r)
        r = count_rows(database, overview, error);
    if (!r)
        r = backlog_held_read(database, overview->glance.daemon_runs, held_limit, &overview->held,
                              error);
    sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    overview->database_bytes = file_bytes(database, "");
    overview->wal_bytes = file_bytes(database, "-wal");
    return r;
}

void overview_free(struct overview *overview) {
    backlog_held_free(&overview->held);
}
