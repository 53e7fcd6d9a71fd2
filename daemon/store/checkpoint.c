#include "outhook/store/checkpoint.h"

#include "outhook/base/clock.h"
#include "outhook/base/duration.h"
#include "outhook/base/memory.h"
#include "outhook/runtime/log.h"
#include "outhook/store/database.h"
#include "outhook/store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WAL_HEADER_BYTES = 32,
    WAL_FRAME_BYTES = 4096 + 24,
    CHECKPOINT_FRAMES = 700, /* from here on the log is emptied; a commit of ours adds 250 or so */
    PRODUCER_FRAMES = 1000,  /* from here on a producer's connection does so itself */
    HOLD_BACK_MS = 500,      /* after a bulk commit: its producer is checkpointing */
    READER_WAIT_MS = 20,     /* how long a checkpoint waits, and lets producers wait, for readers */
    WRITER_WAIT_MS = 100,    /* how long it waits for the write lock: there is a next time */
    RETRY_MS = 1000,
    REPORT_FRAMES = 25000, /* about 100 MB: a reader keeps the log from being emptied */
};

/* The shared memory of the log: SQLite's lock numbers, and words of 32 bits of its header
 * (https://www.sqlite.org/walformat.html, 2.1). */
enum { WAL_WRITE_LOCK = 0, WAL_READ_LOCK_0 = 3 };
enum { INDEX_MAX_FRAME = 16 / 4, INDEX_BACKFILLED = 96 / 4, INDEX_REGION_BYTES = 32768 };

/* ---- the guard ------------------------------------------------------------------------------- */

/* One connection of one process is guarded, from its one thread. */
static struct guard {
    sqlite3_file *file;
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    bool has_index; /* SQLite has opened the log's shared memory, and will close it */
    bool write_lock_held;
    bool checkpointing;
    int64_t wait_until_us; /* mono; of the phase under way */
} guard;

static void guard_note(int offset, int count, int flags, int code) {
    bool covers_write_lock = offset <= WAL_WRITE_LOCK && offset + count > WAL_WRITE_LOCK;
    if (!covers_write_lock || code != SQLITE_OK || !(flags & SQLITE_SHM_EXCLUSIVE))
        return;
    guard.write_lock_held = (flags & SQLITE_SHM_LOCK) != 0;
    if (guard.checkpointing && guard.write_lock_held)
        guard.wait_until_us = clock_mono_us() + READER_WAIT_MS * 1000;
}

static int guard_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    bool copying =
        offset == WAL_READ_LOCK_0 && (flags & SQLITE_SHM_LOCK) && (flags & SQLITE_SHM_EXCLUSIVE);
    if (guard.checkpointing && copying && !guard.write_lock_held)
        return SQLITE_BUSY;
    guard.has_index = true;
    int code = guard.original->xShmLock(file, offset, count, flags);
    guard_note(offset, count, flags, code);
    return code;
}

/* Called by SQLite whenever a lock that it wants is held by somebody else. */
static int guard_busy(void *context, int times) {
    (void)context;
    (void)times;
    if (!guard.checkpointing || clock_mono_us() >= guard.wait_until_us)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    return 1;
}

static int guard_install(struct database *database, struct error *error) {
    sqlite3_file *file = NULL;
    int code =
        sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
    if (code || !file || !file->pMethods || file->pMethods->iVersion < 2)
        return error_set(error, ERROR_FAILED,
                         "this SQLite gives no access to its write-ahead log's locks");
    guard.file = file;
    guard.original = file->pMethods;
    guard.methods = *guard.original;
    guard.methods.xShmLock = guard_shm_lock;
    file->pMethods = &guard.methods;
    sqlite3_busy_handler(database->handle, guard_busy, NULL);
    return 0;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

int checkpoint_open(struct checkpoint *checkpoint, struct database *database, struct error *error) {
    *checkpoint = (struct checkpoint){.database = database};
    checkpoint->wal_path = memory_print("%s-wal", database->file);
    return guard_install(database, error);
}

void checkpoint_close(struct checkpoint *checkpoint) {
    free(checkpoint->wal_path);
    *checkpoint = (struct checkpoint){0};
    guard.file = NULL;
    guard.has_index = false;
}

/* What others write there is read without a lock: it may be old by the time that it is used. */
int64_t checkpoint_frames(void) {
    void volatile *region = NULL;
    if (!guard.file || !guard.has_index)
        return 0;
    guard.original->xShmMap(guard.file, 0, INDEX_REGION_BYTES, 0, &region);
    const uint32_t volatile *words = region;
    if (!words)
        return 0; /* nobody has opened the log yet */
    uint32_t frames = words[INDEX_MAX_FRAME];
    return frames == words[INDEX_BACKFILLED] ? 0 : frames;
}

/* Frames that there is room for in the file, whether they are in use or not. */
static int64_t checkpoint_file_frames(const struct checkpoint *checkpoint) {
    struct stat status;
    if (stat(checkpoint->wal_path, &status) < 0 || status.st_size <= WAL_HEADER_BYTES)
        return 0;
    return ((int64_t)status.st_size - WAL_HEADER_BYTES) / WAL_FRAME_BYTES;
}

int checkpoint_sync_log(const struct database *database, struct error *error) {
    char *path = memory_print("%s-wal", database->file);
    int fd = open(path, O_RDWR | O_CLOEXEC), r = 0;
    if (fd >= 0 && fdatasync(fd) < 0)
        r = disk_refuse(database->path, "sync the write-ahead log", errno, error);
    if (fd >= 0)
        close(fd);
    free(path);
    return r;
}

void checkpoint_warm_log(const struct checkpoint *checkpoint, int64_t frames) {
    char bytes[32768];
    int fd = open(checkpoint->wal_path, O_RDONLY | O_CLOEXEC);
    int64_t at = WAL_HEADER_BYTES + checkpoint_frames() * WAL_FRAME_BYTES;
    int64_t end = at + frames * WAL_FRAME_BYTES;
    ssize_t length = 1;
    for (; fd >= 0 && at < end && length > 0; at += length)
        length = pread(fd, bytes, sizeof bytes, at);
    if (fd >= 0)
        close(fd);
}

static int checkpoint_copy(struct checkpoint *checkpoint, int mode) {
    guard.checkpointing = true;
    guard.wait_until_us = clock_mono_us() + WRITER_WAIT_MS * 1000;
    int code = sqlite3_wal_checkpoint_v2(checkpoint->database->handle, "main", mode, NULL, NULL);
    guard.checkpointing = false;
    return code;
}

/* Once, and again each time that it has doubled. */
static void checkpoint_report(struct checkpoint *checkpoint, int64_t frames) {
    if (frames < REPORT_FRAMES || frames < 2 * checkpoint->reported_frames)
        return;
    checkpoint->reported_frames = frames;
    log_line(LEVEL_WARNING,
             "the write-ahead log %s has grown to %" PRId64
             " MB: another process keeps a transaction open; end it (fuser %s shows who)",
             checkpoint->wal_path, frames * WAL_FRAME_BYTES >> 20, checkpoint->database->path);
}

static void checkpoint_report_end(struct checkpoint *checkpoint) {
    if (checkpoint->reported_frames)
        log_line(LEVEL_INFO, "the write-ahead log %s is empty again", checkpoint->wal_path);
    checkpoint->reported_frames = 0;
}

static void checkpoint_put_off(struct checkpoint *checkpoint, int64_t until_mono_ms) {
    checkpoint->not_before_ms = until_mono_ms;
    checkpoint->waits = true;
}

int64_t checkpoint_due_at(const struct checkpoint *checkpoint) {
    return checkpoint->waits ? checkpoint->not_before_ms : CLOCK_NEVER;
}

int checkpoint_run(struct checkpoint *checkpoint, int64_t now_mono_ms, struct error *error) {
    if (now_mono_ms < checkpoint->not_before_ms)
        return 0;
    checkpoint->waits = false;
    int64_t frames = checkpoint_frames(), in_file = checkpoint_file_frames(checkpoint);
    bool truncate = in_file >= (checkpoint->forced ? 1 : PRODUCER_FRAMES);
    if (frames < CHECKPOINT_FRAMES && !truncate) {
        checkpoint->big = checkpoint->forced = false;
        return 0;
    }
    /* A producer whose bulk commit made the log this long is about to checkpoint it, too. */
    if (in_file >= PRODUCER_FRAMES && !checkpoint->big) {
        checkpoint->big = true;
        checkpoint_put_off(checkpoint, now_mono_ms + HOLD_BACK_MS);
        return 0;
    }

    /* SQLite syncs the log, too, with the write lock held, and then has little left to sync. It may
     * not find what has failed here: the kernel tells of it once. */
    int r = checkpoint_sync_log(checkpoint->database, error);
    if (r)
        return r;
    int code = checkpoint_copy(checkpoint,
                               truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART);
    switch (code & 0xff) {
    case SQLITE_OK:
        patience_note(&checkpoint->patience, 0, NULL, NULL);
        checkpoint->big = checkpoint->forced = false;
        checkpoint_report_end(checkpoint);
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        checkpoint_put_off(checkpoint, now_mono_ms + RETRY_MS);
        checkpoint_report(checkpoint, in_file);
        return 0;
    default:
        break;
    }
    r = database_error(checkpoint->database, code, "empty the write-ahead log", error);
    if (r != ERROR_FULL)
        return r;
    checkpoint_put_off(checkpoint, now_mono_ms + RETRY_MS);
    patience_note(&checkpoint->patience, r, "the log grows", error);
    return 0;
}

void checkpoint_force(struct checkpoint *checkpoint) {
    checkpoint->forced = checkpoint->waits = true;
    checkpoint->not_before_ms = 0;
}

void checkpoint_finish(struct checkpoint *checkpoint) {
    if (checkpoint->wal_path && checkpoint_file_frames(checkpoint) &&
        !checkpoint_sync_log(checkpoint->database, NULL))
        checkpoint_copy(checkpoint, SQLITE_CHECKPOINT_TRUNCATE);
}
