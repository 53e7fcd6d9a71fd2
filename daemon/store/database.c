#include "outhook/store/database.h"

#include "outhook/base/memory.h"
#include "outhook/store/disk.h"
#include "outhook/store/page_memory.h"
#include "outhook/store/permission.h"
#include "outhook/store/safety_copy.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    DATABASE_FILE_MODE = 0660, /* the group may enqueue; SQLite itself never makes a file so */
    DATABASE_PEOPLE_WAIT_MS = 10000,
    DATABASE_LOCK_RETRY_MS = 5,
    DATABASE_ASK_EVERY = 100000, /* instructions of SQLite's machine: about a millisecond */
};

int database_error(struct database *database, int code, const char *doing, struct error *error) {
    const char *path = database->path;
    int reason;
    code = disk_judge(database->handle, path, code, &reason);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(error, ERROR_BUSY, "can't %s: another process holds a lock on %s", doing,
                         path);
    case SQLITE_FULL:
        return error_set(error, ERROR_FULL,
                         "can't %s: no space left for %s: make room on its file system", doing,
                         path);
    case SQLITE_NOTADB:
        return error_set(error, ERROR_DAMAGED, "%s is not an SQLite database", path);
    case SQLITE_INTERRUPT:
        return error_set(error, ERROR_STOPPED, "stopped before it could %s", doing);
    case SQLITE_CORRUPT:
        return error_set(error, ERROR_DAMAGED,
                         "can't %s: %s is damaged (%s); stop outhookd, keep a copy, and restore a "
                         "backup or use sqlite3's .recover",
                         doing, path, sqlite3_errmsg(database->handle));
    case SQLITE_READONLY:
        return error_set(error, ERROR_FAILED,
                         "can't %s: no permission to write %s and its -wal and -shm files; they "
                         "must be writable for the user or group that runs this",
                         doing, path);
    case SQLITE_CONSTRAINT:
        return error_set(error, ERROR_USAGE, "%s", sqlite3_errmsg(database->handle));
    case SQLITE_CANTOPEN:
        return error_set(error, ERROR_FAILED, "can't %s: can't open %s or a file beside it: %s",
                         doing, path, strerror(sqlite3_system_errno(database->handle)));
    case SQLITE_IOERR:
        return disk_refuse(path, doing, reason, error);
    default:
        return error_set(error, ERROR_FAILED, "can't %s: %s (%s)", doing,
                         database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code),
                         path);
    }
}

int database_run(struct database *database, const char *sql, struct error *error) {
    int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
    return code ? database_error(database, code, "use the database", error) : 0;
}

int database_integer(struct database *database, const char *sql, int64_t *value,
                     struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, sql, error);
    if (r)
        return r;

    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *value = sqlite3_column_int64(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        r = database_error(database, code, "read the database", error);
    sqlite3_finalize(statement);
    return r;
}

int database_prepare(struct database *database, sqlite3_stmt **statement, const char *sql,
                     struct error *error) {
    int code =
        sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    return code ? database_error(database, code, "read the database's schema", error) : 0;
}

const char *database_text_in(sqlite3_stmt *statement, int column) {
    bool is_null = sqlite3_column_type(statement, column) == SQLITE_NULL;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (!text && !is_null)
        memory_exhausted();
    return text;
}

char *database_text(sqlite3_stmt *statement, int column) {
    return memory_copy_string(database_text_in(statement, column));
}

void database_bind_text(sqlite3_stmt *statement, int parameter, const char *text) {
    if (text)
        sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, parameter);
}

static bool role_creates(enum database_role role) {
    return role == DATABASE_DAEMON || role == DATABASE_OPERATOR;
}

static bool role_runs_triggers(enum database_role role) {
    return role == DATABASE_OPERATOR || role == DATABASE_PERSON;
}

/* Makes an empty file before SQLite does, which would not make it group-writable. Once SQLite has
 * the database open, nothing else in this process may open it: closing it would drop SQLite's
 * locks. */
static int database_create_file(const char *path, struct error *error) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, DATABASE_FILE_MODE);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0 && errno == EACCES)
        return permission_refuse(path, error);
    if (fd < 0 && errno == ENOSPC)
        return error_set(error, ERROR_FULL,
                         "can't create %s: no space left: make room on its file system", path);
    if (fd < 0 && (errno == EROFS || errno == EIO))
        return disk_refuse(path, "create the database", errno, error);
    if (fd < 0)
        return error_set(error, ERROR_FAILED, "can't create %s: %s", path, strerror(errno));
    if (fchmod(fd, DATABASE_FILE_MODE) < 0) {
        int r = error_set(error, ERROR_FAILED, "can't make %s group-writable: %s", path,
                          strerror(errno));
        close(fd);
        return r;
    }
    close(fd);
    return 0;
}

static char *database_companion(const char *path, const char *ending) {
    char *file = memory_print("%s%s", path, ending);
    return file;
}

/* SQLite makes the -wal file when it is missing, which takes a directory that may be written. */
static int database_check_directory(const char *path, struct error *error) {
    char *wal = database_companion(path, "-wal"), *directory = memory_copy_string(path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    bool makes = access(path, F_OK) == 0 && access(wal, F_OK) < 0 && errno == ENOENT;
    int r = 0;
    if (makes && access(slash ? directory : ".", W_OK | X_OK) < 0 && errno == EACCES)
        r = permission_refuse(slash ? directory : ".", error);
    free(directory);
    free(wal);
    return r;
}

/* An -wal or -shm that somebody without write permission left behind locks its owner out too. */
static int database_check_companions(const char *path, struct error *error) {
    static const char *const endings[] = {"", "-wal", "-shm"};
    int r = 0;
    for (size_t i = 0; !r && i < sizeof endings / sizeof *endings; i++) {
        char *file = database_companion(path, endings[i]);
        if (access(file, R_OK | W_OK) < 0 && errno == EACCES)
            r = permission_refuse(file, error);
        free(file);
    }
    return r ? r : database_check_directory(path, error);
}

/* SQLite would take a lock for each allocation, to count what nobody asks for. The daemon's pages
 * have memory of their own. */
static void database_set_up_library(const struct database *database) {
    bool daemon = database->role == DATABASE_DAEMON;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    page_memory_set_up(daemon ? database->opening->cache_bytes : 0);
}

/* Once, by whoever opens first. */
static void database_prepare_library(const struct database *database) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool done;
    pthread_mutex_lock(&lock);
    if (!done)
        database_set_up_library(database);
    done = true;
    pthread_mutex_unlock(&lock);
}

static int database_open_handle(struct database *database, struct error *error) {
    database_prepare_library(database);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(database->path, &database->handle, flags, NULL);
    if (!code) {
        database->file = sqlite3_db_filename(database->handle, "main");
        return 0;
    }
    if (access(database->path, F_OK) < 0 && errno == ENOENT)
        return error_set(error, ERROR_FAILED,
                         "there is no database %s: start outhookd, or run outhook migrate "
                         "--database %s, or name another by --database or OUTHOOK_DATABASE",
                         database->path, database->path);
    return database_error(database, code, "open the database", error);
}

/* ---- giving up while it is being opened ------------------------------------------------------ */

static int database_interrupted(void *context) {
    const struct database *database = context;
    return !database->opening->go_on(database->opening->context);
}

/* Instead of the busy timeout, which would not hear of a stop. */
static int database_wait(void *context, int times) {
    if (database_interrupted(context) || times >= DATABASE_PEOPLE_WAIT_MS / DATABASE_LOCK_RETRY_MS)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = DATABASE_LOCK_RETRY_MS * 1000000}, NULL);
    return 1;
}

static void database_listen(struct database *database) {
    sqlite3_busy_timeout(database->handle, DATABASE_PEOPLE_WAIT_MS);
    if (!database->opening->go_on)
        return;
    sqlite3_busy_handler(database->handle, database_wait, database);
    sqlite3_progress_handler(database->handle, DATABASE_ASK_EVERY, database_interrupted, database);
}

/* From now on nobody is asked any more. */
static void database_stop_listening(struct database *database) {
    bool daemon = database->role == DATABASE_DAEMON; /* which waits in its own way */
    sqlite3_busy_timeout(database->handle, daemon ? 0 : DATABASE_PEOPLE_WAIT_MS);
    sqlite3_progress_handler(database->handle, 0, NULL, NULL);
    database->opening = NULL;
}

/* A lock that was waited for until somebody asked for the stop is no lock that failed. */
static int database_judge_stop(struct database *database, int r, struct error *error) {
    if (r != ERROR_BUSY || !database->opening->go_on || !database_interrupted(database))
        return r;
    return error_set(error, ERROR_STOPPED, "stopped while another process holds a lock on %s",
                     database->path);
}

/* ---- setting it up --------------------------------------------------------------------------- */

/* What holds for every connection of ours: it checkpoints only where wal_guard.h stands between, and
 * the schema is not trusted to call anything dangerous. Where triggers run it has to be, for SQLite
 * 3.40 counts JSON functions as dangerous, which the triggers judge headers with; there, too,
 * nothing but SQLite's built-in functions can be called. */
static int database_configure(struct database *database, struct error *error) {
    int64_t cache_bytes = database->opening->cache_bytes;
    sqlite3 *handle = database->handle;
    database_listen(database);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, role_runs_triggers(database->role),
                      NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);

    char pragmas[160];
    snprintf(pragmas, sizeof pragmas, "PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;");
    int r = database_run(database, pragmas, error);
    if (!r && cache_bytes) {
        snprintf(pragmas, sizeof pragmas, "PRAGMA cache_size = %" PRId64,
                 page_memory_pages(cache_bytes));
        r = database_run(database, pragmas, error);
    }
    if (!r && database->role == DATABASE_READER)
        r = database_run(database, "PRAGMA query_only = 1", error);
    return r;
}

/* WAL is a property of the file; auto_vacuum can be chosen only before the first table exists. */
static int database_prepare_file(struct database *database, struct error *error) {
    const struct database_options *options = database->opening;
    struct migration_result found = {0};
    int64_t objects = 0;
    int r = database_integer(database, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (!r && !objects)
        r = database_run(database, "PRAGMA auto_vacuum = INCREMENTAL", error);
    if (!r)
        r = migration_look(database, &found, error);
    bool copies = found.before && found.before < found.after && !options->no_copy;
    /* Not while somebody holds the lock that the migration needs: it would be made again each time.
     */
    if (!r && copies)
        r = database_run(database, "BEGIN IMMEDIATE; ROLLBACK", error);
    if (!r && copies)
        r = safety_copy_make(database, found.before, options->go_on, options->context, error);
    if (!r)
        r = migration_apply(database, &database->migrated, error);
    if (!r)
        r = database_run(database, "PRAGMA journal_mode = WAL", error);
    return r;
}

/* The daemon writes outcomes only; losing the last of them at power loss repeats deliveries and
 * drops none, so NORMAL is enough. Its writes are precise, so the guards for people are switched
 * off. */
static int database_become_daemon(struct database *database, struct error *error) {
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return database_run(database, "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF;",
                        error);
}

int database_open(struct database *database, const char *path, enum database_role role,
                  int64_t cache_bytes, struct error *error) {
    const struct database_options options = {.cache_bytes = cache_bytes};
    return database_open_with(database, path, role, &options, error);
}

int database_open_with(struct database *database, const char *path, enum database_role role,
                       const struct database_options *options, struct error *error) {
    *database =
        (struct database){.path = memory_copy_string(path), .role = role, .opening = options};

    int r = 0;
    if (role_creates(role))
        r = database_create_file(path, error);
    if (!r)
        r = database_check_companions(path, error);
    if (!r)
        r = database_open_handle(database, error);
    if (!r)
        r = database_configure(database, error);
    if (!r)
        r = role_creates(role) ? database_prepare_file(database, error)
                               : migration_check(database, error);
    if (!r && role == DATABASE_DAEMON)
        r = database_become_daemon(database, error);
    if (r)
        r = database_judge_stop(database, r, error);
    if (r)
        database_close(database);
    else
        database_stop_listening(database);
    return r;
}

void database_abandon(struct database *database) {
    if (database->handle)
        sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void database_close(struct database *database) {
    sqlite3_close(database->handle);
    free(database->path);
    *database = (struct database){0};
}
