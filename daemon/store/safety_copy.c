#include "outhook/store/safety_copy.h"

#include "outhook/base/memory.h"
#include "outhook/store/backup.h"
#include "outhook/store/database.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    COPIES_KEPT = 2,
    VERSION_OFFSET = 60, /* of user_version in the header of an SQLite file, big-endian */
};

char *safety_copy_path(const struct database *database, int version) {
    return memory_print("%s.schema-%d.backup", database->file, version);
}

/* A copy that fills the disk would hold up who enqueues, and be tried again at each restart. */
static int safety_copy_check_room(struct database *database, struct error *error) {
    int64_t pages = 0, page_bytes = 0;
    struct statvfs status;
    int r = database_integer(database, "PRAGMA page_count", &pages, error);
    if (!r)
        r = database_integer(database, "PRAGMA page_size", &page_bytes, error);
    if (r)
        return r;
    char *copy = memory_copy_string(database->file);
    int64_t needed = pages * page_bytes, room = INT64_MAX;
    if (statvfs(dirname(copy), &status) == 0)
        room = (int64_t)(status.f_bavail * status.f_frsize);
    free(copy);
    if (room > needed)
        return 0;
    return error_set(error, ERROR_FULL,
                     "there is no room for the copy of %.300s before its migration, %" PRId64
                     " MiB: make room, or copy it elsewhere and run outhook migrate --no-copy",
                     database->path, (needed >> 20) + 1);
}

/* Another process may have migrated the database before the copy's snapshot was taken. Nobody has
 * this file open, so it may be read as a file. */
static bool safety_copy_has_version(const char *path, int version) {
    unsigned char bytes[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool read_all = pread(fd, bytes, sizeof bytes, VERSION_OFFSET) == sizeof bytes;
    close(fd);
    return read_all && ((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                        (uint32_t)bytes[2] << 8 | bytes[3]) == (uint32_t)version;
}

static void safety_copy_remove_older(const struct database *database, int version) {
    int kept = 1;
    for (int older = version - 1; older > 0; older--) {
        char *path = safety_copy_path(database, older);
        if (access(path, F_OK) == 0 && ++kept > COPIES_KEPT)
            unlink(path);
        free(path);
    }
}

static int safety_copy_publish(const struct database *database, int version, const char *fresh,
                               struct error *error) {
    char *path = safety_copy_path(database, version);
    bool current = safety_copy_has_version(fresh, version);
    int r = current ? backup_rename(fresh, path, error) : 0;
    if (!current)
        unlink(fresh);
    else if (!r)
        safety_copy_remove_older(database, version);
    free(path);
    return r;
}

/* What the backup asks, answered by whoever opens the database. */
struct asking {
    bool (*go_on)(void *context);
    void *context;
};

static bool safety_copy_ask(void *context, int64_t done_pages, int64_t total_pages) {
    const struct asking *asking = context;
    (void)done_pages;
    (void)total_pages;
    return !asking->go_on || asking->go_on(asking->context);
}

int safety_copy_make(struct database *database, int version, bool (*go_on)(void *context),
                     void *context, struct error *error) {
    struct asking asking = {go_on, context};
    const struct backup_options options = {
        .overwrite = true, .progress = safety_copy_ask, .context = &asking};
    struct backup_result ignored;
    char *path = safety_copy_path(database, version);
    char *fresh = memory_print("%s.new", path);
    int r = safety_copy_check_room(database, error);
    if (!r)
        r = backup_make(database, fresh, &options, &ignored, error);
    if (!r)
        r = safety_copy_publish(database, version, fresh, error);
    free(fresh);
    free(path);
    return r;
}
