#include "outhook/store/disk.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* The errno that a file's last failure left; SQLite keeps one for each of its files. */
static int file_errno(sqlite3 *handle, int which) {
    sqlite3_file *file = NULL;
    int reason = 0;
    if (sqlite3_file_control(handle, "main", which, (void *)&file) || !file || !file->pMethods)
        return 0;
    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &reason);
    return reason;
}

/* sqlite3_system_errno() is not set where a COMMIT fails. */
static int disk_errno(sqlite3 *handle) {
    if (!handle)
        return errno;
    int reason = sqlite3_system_errno(handle);
    if (!reason)
        reason = file_errno(handle, SQLITE_FCNTL_JOURNAL_POINTER); /* the -wal in WAL mode */
    if (!reason)
        reason = file_errno(handle, SQLITE_FCNTL_FILE_POINTER);
    return reason;
}

static bool disk_is_read_only(const char *path) {
    struct statvfs status;
    char directory[PATH_MAX];
    if (statvfs(path, &status) == 0)
        return status.f_flag & ST_RDONLY;
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    return statvfs(slash ? directory : ".", &status) == 0 && (status.f_flag & ST_RDONLY);
}

int disk_judge(struct sqlite3 *handle, const char *path, int code, int *reason) {
    int primary = code & 0xff;
    *reason = 0;
    if (primary == SQLITE_READONLY || primary == SQLITE_CANTOPEN) {
        if (disk_is_read_only(path))
            *reason = EROFS;
        else if (primary == SQLITE_CANTOPEN)
            *reason = disk_errno(handle);
    } else if (primary == SQLITE_IOERR || primary == SQLITE_CORRUPT) {
        *reason = disk_errno(handle);
    }
    /* A failed sync is never a lack of space: after it nobody knows what is on disk. */
    bool synced = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
    if ((*reason == ENOSPC || *reason == EDQUOT) && primary != SQLITE_CORRUPT && !synced)
        return SQLITE_FULL;
    if (*reason == EIO || *reason == ENXIO || *reason == EROFS)
        return SQLITE_IOERR;
    return code;
}

int disk_refuse(const char *path, const char *doing, int reason, struct error *error) {
    if (reason == EROFS)
        return error_set(
            error, ERROR_DISK,
            "can't %s: the file system of %s is read-only: see the kernel's log (dmesg) "
            "for the reason, and mount it read-write",
            doing, path);
    return error_set(error, ERROR_DISK,
                     "can't %s: input/output error on %s%s%s: its disk may be failing, see the "
                     "kernel's log (dmesg)",
                     doing, path, reason ? ", " : "", reason ? strerror(reason) : "");
}
