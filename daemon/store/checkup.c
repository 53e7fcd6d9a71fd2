#include "outhook/store/checkup.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"
#include "outhook/store/schema.h"

#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    PROBLEMS_MAX = 5,  /* of those that the integrity check finds */
    SPACE_BAD_MB = 16, /* less free space than that */
    SPACE_WARNING_MB = 256,
    WAL_WARNING_MB = 64,      /* a log that long is kept from being emptied */
    CLOCK_AHEAD_MS = 3600000, /* a webhook so far in the future was inserted by a wrong clock */
};

static const char *const level_words[] = {
#define CHECKUP_WORD(name, word) word,
    CHECKUP_LEVELS(CHECKUP_WORD)
#undef CHECKUP_WORD
};

const char *checkup_level_word(enum checkup_level level) {
    return level_words[level];
}

void checkup_find(const struct checkup *checkup, enum checkup_level level, const char *subject,
                  const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = memory_vprint(format, arguments);
    va_end(arguments);
    checkup->find(checkup->context, level, subject, text);
    free(text);
}

/* ---- contents -------------------------------------------------------------------------------- */

static int check_pages(struct database *database, bool full, const struct checkup *checkup,
                       struct error *error) {
    char sql[64];
    sqlite3_stmt *statement;
    int problems = 0, code;
    snprintf(sql, sizeof sql, "PRAGMA %s(%d)", full ? "integrity_check" : "quick_check",
             PROBLEMS_MAX);
    int r = database_prepare(database, &statement, sql, error);
    if (r)
        return r;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (!strcmp(text, "ok"))
            continue;
        problems++;
        checkup_find(checkup, CHECKUP_BAD, "integrity",
                     "%s: stop outhookd, keep a copy, and restore a backup or use sqlite3's "
                     ".recover",
                     text);
    }
    if (code != SQLITE_DONE)
        r = database_error(database, code, "check the database", error);
    sqlite3_finalize(statement);
    if (!r && !problems)
        checkup_find(checkup, CHECKUP_GOOD, "integrity",
                     full ? "every page and every index is sound"
                          : "every page is sound (--full compares the indexes, too)");
    return r;
}

/* What there should be none of. The number stands between the two texts. */
static const struct count_check {
    const char *sql;
    enum checkup_level level;
    const char *subject, *before, *after;
} count_checks[] = {
    {"SELECT abs(pending - (SELECT count(*) FROM deliveries WHERE status = 'pending')) FROM "
     "queue_depth",
     CHECKUP_WARNING, "counts", "queue_depth.pending is off by ",
     ": UPDATE queue_depth SET pending = (SELECT count(*) FROM deliveries WHERE status = "
     "'pending') mends it"},
    {"SELECT count(*) FROM deliveries AS d WHERE status = 'pending' AND NOT EXISTS (SELECT 1 FROM "
     "webhooks WHERE id = d.webhook_id)",
     CHECKUP_BAD, "orphans", "pending deliveries that have lost their webhook: ",
     "; they will fail: outhook cancel ends them"},
    {"SELECT count(*) FROM deliveries AS d WHERE status = 'pending' AND NOT EXISTS (SELECT 1 FROM "
     "endpoints WHERE id = d.endpoint_id)",
     CHECKUP_BAD, "orphans", "pending deliveries that have lost their endpoint: ",
     "; they are sent nowhere: outhook cancel ends them"},
    {"SELECT count(*) FROM endpoint_secrets WHERE secret NOT GLOB 'sealed:*' AND (expires_at IS "
     "NULL OR expires_at > (SELECT ms FROM _now))",
     CHECKUP_NOTE, "secrets",
     "secrets in plain text, which whoever may enqueue can read: ", "; secret_key_file seals them"},
    {"SELECT count(*) FROM endpoints WHERE name IS NOT NULL AND signing <> 'none' AND NOT EXISTS "
     "(SELECT 1 FROM endpoint_secrets WHERE endpoint_id = endpoints.id AND (expires_at IS NULL OR "
     "expires_at > (SELECT ms FROM _now)))",
     CHECKUP_WARNING, "secrets", "endpoints that are not sent to for want of a valid secret: ",
     "; outhook endpoint rotate-secret makes one"},
    {"SELECT count(*) FROM endpoints WHERE tls_insecure", CHECKUP_WARNING, "tls",
     "endpoints with tls_insecure: ", "; tls_ca_file is the safe way"},
    {"SELECT CASE WHEN pending >= max_pending THEN pending END FROM queue_depth", CHECKUP_BAD,
     "queue", "the queue is full with ",
     ": INSERTs are refused; raise max_pending, or see outhook status for what holds deliveries "
     "up"},
};

static int check_count(struct database *database, const struct count_check *check,
                       const struct checkup *checkup, struct error *error) {
    int64_t count = 0;
    int r = database_integer(database, check->sql, &count, error);
    if (!r && count)
        checkup_find(checkup, check->level, check->subject, "%s%" PRId64 "%s", check->before, count,
                     check->after);
    return r;
}

static int check_counts(struct database *database, const struct checkup *checkup,
                        struct error *error) {
    int r = 0;
    for (size_t i = 0; !r && i < sizeof count_checks / sizeof *count_checks; i++)
        r = check_count(database, &count_checks[i], checkup, error);
    return r;
}

static void check_find_difference(void *context, enum schema_difference difference,
                                  const char *type, const char *name) {
    const struct checkup *checkup = context;
    if (difference == SCHEMA_ADDED)
        checkup_find(checkup, CHECKUP_NOTE, "schema", "the %s %s is none of outhook's", type, name);
    else
        checkup_find(checkup, CHECKUP_BAD, "schema", "the %s %s %s: %s", type, name,
                     difference == SCHEMA_MISSING ? "is missing" : "was changed",
                     strcmp(type, "table") ? "outhook migrate --repair makes it anew"
                                           : "undo that, or restore a backup");
}

static int check_clock(struct database *database, const struct checkup *checkup,
                       struct error *error) {
    int64_t newest_at = 0;
    int r = database_integer(database, "SELECT created_at FROM webhooks ORDER BY id DESC LIMIT 1",
                             &newest_at, error);
    if (!r && newest_at > clock_now().wall_ms + CLOCK_AHEAD_MS)
        checkup_find(
            checkup, CHECKUP_WARNING, "clock",
            "the newest webhook was inserted in the future: this clock is slow, or was set "
            "back, and what is new waits until it is that late");
    return r;
}

int checkup_contents(struct database *database, bool full, const struct checkup *checkup,
                     struct error *error) {
    struct checkup found = *checkup;
    int r = check_pages(database, full, checkup, error);
    if (!r)
        r = schema_compare(database, check_find_difference, &found, error);
    if (!r)
        r = check_counts(database, checkup, error);
    return r ? r : check_clock(database, checkup, error);
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *group_name(gid_t id, char text[32]) {
    const struct group *group = getgrgid(id);
    snprintf(text, 32, "%u", (unsigned)id);
    return group ? group->gr_name : text;
}

static void check_directory(const char *path, const struct stat *file,
                            const struct checkup *checkup) {
    struct stat status;
    char file_group[32], own_group[32];
    if (stat(path, &status) < 0) {
        checkup_find(checkup, CHECKUP_BAD, "directory", "can't look at %s: %s", path,
                     strerror(errno));
        return;
    }
    bool shared = file->st_mode & S_IWGRP;
    if (status.st_mode & S_ISVTX)
        checkup_find(checkup, CHECKUP_WARNING, "directory",
                     "%s is sticky, which keeps others from -wal and -shm: chmod -t %s", path,
                     path);
    else if (shared && (!(status.st_mode & S_IWGRP) || !(status.st_mode & S_ISGID)))
        checkup_find(checkup, CHECKUP_WARNING, "directory",
                     "the database's group can't enqueue while outhookd doesn't run, as it may not "
                     "make files in %s: chmod 2770 %s",
                     path, path);
    else if (shared && status.st_gid != file->st_gid)
        checkup_find(checkup, CHECKUP_WARNING, "directory",
                     "%s is the group %s's, and the database %s's: chgrp %s %s", path,
                     group_name(status.st_gid, own_group), group_name(file->st_gid, file_group),
                     group_name(file->st_gid, file_group), path);
    else
        checkup_find(checkup, CHECKUP_GOOD, "directory", "%s, %04o", path,
                     (unsigned)status.st_mode & 07777);
}

/* -wal and -shm have to be as writable as the database, or they lock others out of it. */
static void check_companion(const char *path, const char *ending, const struct stat *file,
                            const struct checkup *checkup) {
    struct stat status;
    char *companion = memory_print("%s%s", path, ending);
    if (stat(companion, &status) == 0 &&
        ((status.st_mode & 0777) != (file->st_mode & 0777) || status.st_gid != file->st_gid))
        checkup_find(checkup, CHECKUP_BAD, "permissions",
                     "%s has other permissions than the database and may lock others out: chmod "
                     "%03o %s; chgrp --reference=%s %s",
                     companion, (unsigned)file->st_mode & 0777, companion, path, companion);
    if (!strcmp(ending, "-wal") && stat(companion, &status) == 0 &&
        status.st_size >> 20 >= WAL_WARNING_MB)
        checkup_find(checkup, CHECKUP_WARNING, "log",
                     "%s has %" PRId64 " MB: a process keeps a transaction open (fuser %s shows "
                     "who), or outhookd does not run",
                     companion, (int64_t)status.st_size >> 20, path);
    free(companion);
}

static void check_permissions(const char *path, const struct stat *file,
                              const struct checkup *checkup) {
    char group[32];
    if (file->st_mode & S_IWOTH)
        checkup_find(checkup, CHECKUP_BAD, "permissions", "anybody may write %s: chmod o-rwx %s",
                     path, path);
    else if (file->st_mode & S_IROTH)
        checkup_find(checkup, CHECKUP_WARNING, "permissions",
                     "anybody may read %s, payloads and all: chmod o-rwx %s", path, path);
    else
        checkup_find(checkup, CHECKUP_GOOD, "permissions", "%03o, group %s%s",
                     (unsigned)file->st_mode & 0777, group_name(file->st_gid, group),
                     file->st_mode & S_IWGRP ? ", which may enqueue" : "");
}

static void check_space(const char *path, const struct checkup *checkup) {
    struct statvfs status;
    if (statvfs(path, &status) < 0)
        return;
    int64_t free_mb = (int64_t)(status.f_bavail * status.f_frsize >> 20);
    enum checkup_level level = free_mb < SPACE_BAD_MB       ? CHECKUP_BAD
                               : free_mb < SPACE_WARNING_MB ? CHECKUP_WARNING
                                                            : CHECKUP_GOOD;
    checkup_find(checkup, level, "space", "%" PRId64 " MB are free%s", free_mb,
                 level == CHECKUP_GOOD
                     ? ""
                     : ": make room, or outcomes can't be written and deliveries stop");
}

/* Write-ahead logging needs memory that is shared between processes of one machine. */
static void check_file_system(const char *path, const struct checkup *checkup) {
    static const struct {
        unsigned long type;
        const char *name;
    } remote[] = {{0x6969, "NFS"},     {0xff534d42, "CIFS"}, {0xfe534d42, "SMB"},
                  {0x01021997, "9p"},  {0x65735546, "FUSE"}, {0x73757245, "Coda"},
                  {0x5346414f, "AFS"}, {0x00c36400, "Ceph"}};
    struct statfs status;
    if (statfs(path, &status) < 0)
        return;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if (((unsigned long)status.f_type & 0xffffffff) == remote[i].type)
            checkup_find(
                checkup, CHECKUP_BAD, "file system",
                "it lies on %s, on which write-ahead logs are not safe: move it to a local "
                "disk",
                remote[i].name);
}

void checkup_files(const struct database *database, const struct checkup *checkup) {
    struct stat file;
    char *copy = memory_copy_string(database->file), *directory = dirname(copy);
    if (stat(database->file, &file) == 0) {
        check_permissions(database->file, &file, checkup);
        check_companion(database->file, "-wal", &file, checkup);
        check_companion(database->file, "-shm", &file, checkup);
        check_directory(directory, &file, checkup);
    }
    check_space(directory, checkup);
    check_file_system(database->file, checkup);
    free(copy);
}
