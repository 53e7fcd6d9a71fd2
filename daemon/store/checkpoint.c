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
enum { WAL_WRITE_LOCK = 0, WAL_CHECKPOINT_LOCK = 1, WAL_READ_LOCK_0 = 3 };
enum {
    INDEX_MAX_FRAME = 16 / 4,
    INDEX_SALTS = 32 / 4, /* two words, other ones each time that the log starts again */
    INDEX_BACKFILLED = 96 / 4,
    INDEX_REGION_BYTES = 32768
};

/* ---- the guard ------------------------------------------------------------------------------- */

/* One connection of one process is guarded, from its one thread. */
static struct guard {
    sqlite3_file *file;
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    bool has_index; /* SQLite has opened the log's shared memory, and will close it */
    bool write_lock_held;
    bool checkpointing;
    uint32_t salts[2];     /* of the log, before the checkpoint under way looked at it */
    int64_t wait_until_us; /* mono; of the phase under way */
} guard;

/* What others write there is read without a lock: it may be old by the time that it is used. NULL
 * while nobody has opened the log. */
static const uint32_t volatile *guard_index(void) {
    void volatile *region = NULL;
    if (guard.file && guard.has_index)
        guard.original->xShmMap(guard.file, 0, INDEX_REGION_BYTES, 0, &region);
    return region;
}

static void guard_remember_log(void) {
    const uint32_t volatile *words = guard_index();
    for (int i = 0; i < 2; i++)
        guard.salts[i] = words ? words[INDEX_SALTS + i] : 0;
}

/* Only the holder of the write lock can make it another one, and not while frames are copied. */
static bool guard_log_is_the_same(void) {
    const uint32_t volatile *words = guard_index();
    return guard.write_lock_held || (words && words[INDEX_SALTS] == guard.salts[0] &&
                                     words[INDEX_SALTS + 1] == guard.salts[1]);
}

static void guard_note_write_lock(bool held) {
    guard.write_lock_held = held;
    if (guard.checkpointing && held)
        guard.wait_until_us = clock_mono_us() + READER_WAIT_MS * 1000;
}

static int guard_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    guard.has_index = true;
    int code = guard.original->xShmLock(file, offset, count, flags);
    bool locked = flags & SQLITE_SHM_LOCK, exclusive = flags & SQLITE_SHM_EXCLUSIVE;
    if (code || !exclusive)
        return code;
    if (offset <= WAL_WRITE_LOCK && offset + count > WAL_WRITE_LOCK)
        guard_note_write_lock(locked);
    if (!guard.checkpointing || !locked)
        return code;
    if (offset == WAL_CHECKPOINT_LOCK)
        guard_remember_log();
    if (offset == WAL_READ_LOCK_0 && !guard_log_is_the_same()) {
        guard.original->xShmLock(file, offset, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
        return SQLITE_BUSY;
    }
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

int64_t checkpoint_frames(void) {
    const uint32_t volatile *words = guard_index();
    if (!words)
        return 0;
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

static int checkpoint_call(struct checkpoint *checkpoint, int mode) {
    guard.checkpointing = true;
    guard.wait_until_us = clock_mono_us() + WRITER_WAIT_MS * 1000;
    int code = sqlite3_wal_checkpoint_v2(checkpoint->database->handle, "main", mode, NULL, NULL);
    guard.checkpointing = false;
    return code;
}

/* SQLite syncs the database only when it has copied all frames that there are by then. The file
 * must not be opened for it: closing it would let go of this process's locks. */
static int checkpoint_sync_database(struct checkpoint *checkpoint, struct error *error) {
    int reason = 0;
    if (!guard.file->pMethods->xSync(guard.file, SQLITE_SYNC_NORMAL))
        return 0;
    sqlite3_file_control(checkpoint->database->handle, "main", SQLITE_FCNTL_LAST_ERRNO, &reason);
    return disk_refuse(checkpoint->database->path, "sync the database", reason, error);
}

/* Copies and syncs what it can while others go on writing, and the rest, which is little or
 * nothing, with the write lock. *code: SQLite's, when none of our own syncs has failed. */
static int checkpoint_empty(struct checkpoint *checkpoint, int mode, int *code,
                            struct error *error) {
    /* SQLite syncs the log, too, and then has nothing left to sync. It may not find what has failed
     * here: the kernel tells of it once. */
    int r = checkpoint_sync_log(checkpoint->database, error);
    if (!r)
        *code = checkpoint_call(checkpoint, SQLITE_CHECKPOINT_PASSIVE);
    if (!r && !*code && checkpoint_frames())
        r = checkpoint_sync_database(checkpoint, error);
    if (!r && !*code)
        *code = checkpoint_call(checkpoint, mode);
    return r;
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

    int code = SQLITE_OK;
    int r = checkpoint_empty(checkpoint,
                             truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART,
                             &code, error);
    if (r)
        return r;
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
    int code; /* whatever fails, the next start finds it */
    if (checkpoint->wal_path && checkpoint_file_frames(checkpoint))
        checkpoint_empty(checkpoint, SQLITE_CHECKPOINT_TRUNCATE, &code, NULL);
}
