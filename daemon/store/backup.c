#include "outhook/store/backup.h"

#include "outhook/base/memory.h"
#include "outhook/store/database.h"

#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_PAGES = 256, COPY_MODE = 0600 };

/* ---- files ----------------------------------------------------------------------------------- */

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int backup_refuse(const struct database *database, const char *path, bool overwrite,
                         struct error *error) {
    struct stat status;
    if (same_file(database->file, path))
        return error_set(error, ERROR_USAGE, "%.400s is the database itself", path);
    if (lstat(path, &status) < 0)
        return 0;
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_USAGE, "%.400s is there already, and no ordinary file", path);
    if (!overwrite)
        return error_set(error, ERROR_USAGE,
                         "%.400s is there already: give another name, or --force to replace it",
                         path);
    return 0;
}

/* Before SQLite opens it, which would make it readable for others. */
static int temporary_create(const char *path, char **temporary, struct error *error) {
    *temporary = memory_print("%s.XXXXXX", path);
    int fd = mkostemp(*temporary, O_CLOEXEC);
    if (fd >= 0 && fchmod(fd, COPY_MODE) == 0) {
        close(fd);
        return 0;
    }
    int r = error_set(error, ERROR_FAILED, "can't create %.400s: %s", *temporary, strerror(errno));
    if (fd >= 0)
        close(fd);
    return r;
}

static int sync_path(const char *path, int flags, struct error *error) {
    int fd = open(path, flags | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) < 0;
    int r =
        failed ? error_set(error, ERROR_FAILED, "can't sync %.400s: %s", path, strerror(errno)) : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

int backup_rename(const char *from, const char *to, struct error *error) {
    if (rename(from, to) < 0)
        return error_set(error, ERROR_FAILED, "can't rename %.300s to %.200s: %s", from, to,
                         strerror(errno));
    char *copy = memory_copy_string(to);
    int r = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY, error);
    free(copy);
    return r;
}

static int temporary_publish(const char *temporary, const char *path, struct error *error) {
    int r = sync_path(temporary, O_RDONLY, error);
    return r ? r : backup_rename(temporary, path, error);
}

static void temporary_remove(const char *temporary) {
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *file = memory_print("%s%s", temporary, endings[i]);
        unlink(file);
        free(file);
    }
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int copy_error(sqlite3 *copy, int code, const char *temporary, struct error *error) {
    if ((code & 0xff) == SQLITE_FULL)
        return error_set(error, ERROR_FULL, "no space left for %.400s", temporary);
    return error_set(error, ERROR_FAILED, "can't write %.400s: %s", temporary,
                     sqlite3_errmsg(copy));
}

static int copy_pages(struct database *database, sqlite3 *copy, const char *temporary,
                      const struct backup_options *options, struct error *error) {
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", database->handle, "main");
    int code = backup ? SQLITE_OK : sqlite3_errcode(copy), r = 0;
    while (!r && code == SQLITE_OK) {
        code = sqlite3_backup_step(backup, STEP_PAGES);
        int64_t total = sqlite3_backup_pagecount(backup);
        if (code == SQLITE_OK && options->progress &&
            !options->progress(options->context, total - sqlite3_backup_remaining(backup), total))
            r = error_set(error, ERROR_STOPPED, "stopped; nothing is left behind");
    }
    sqlite3_backup_finish(backup);
    if (!r && code != SQLITE_DONE)
        r = copy_error(copy, code, temporary, error);
    return r;
}

static int copy_check(sqlite3 *copy, const char *temporary, struct error *error) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(copy, "PRAGMA quick_check(1)", -1, &statement, NULL), r = 0;
    const char *text = NULL;
    if (!code && sqlite3_step(statement) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(statement, 0);
    if (!text || strcmp(text, "ok") != 0)
        r = error_set(error, ERROR_DAMAGED, "the copy %.200s is damaged: %.300s", temporary,
                      text ? text : sqlite3_errmsg(copy));
    sqlite3_finalize(statement);
    return r;
}

/* The copy needs no journal: when this fails, it is thrown away. */
static int copy_database(struct database *database, const char *temporary,
                         const struct backup_options *options, struct error *error) {
    sqlite3 *copy = NULL;
    int code = sqlite3_open_v2(temporary, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = code ? copy_error(copy, code, temporary, error) : 0;
    if (!r) {
        sqlite3_exec(copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
        r = copy_pages(database, copy, temporary, options, error);
    }
    if (!r && options->check)
        r = copy_check(copy, temporary, error);
    sqlite3_close(copy);
    return r;
}

int backup_make(struct database *database, const char *path, const struct backup_options *options,
                struct backup_result *result, struct error *error) {
    char *temporary = NULL;
    int64_t ignored = 0;
    struct stat status = {0};
    int r = backup_refuse(database, path, options->overwrite, error);
    if (r)
        return r;
    r = temporary_create(path, &temporary, error);
    /* From the first read on the snapshot is this one, whatever others commit. */
    if (!r)
        r = database_run(database, "BEGIN", error);
    if (!r)
        r = database_integer(database, "SELECT count(*) FROM sqlite_schema", &ignored, error);
    if (!r)
        r = copy_database(database, temporary, options, error);
    if (!sqlite3_get_autocommit(database->handle))
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    if (!r && stat(temporary, &status) == 0)
        result->bytes = status.st_size;
    if (!r)
        r = temporary_publish(temporary, path, error);
    if (r)
        temporary_remove(temporary);
    free(temporary);
    return r;
}
