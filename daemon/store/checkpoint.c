#include "outhook/store/checkpoint.h"

#include "outhook/base/clock.h"
#include "outhook/base/duration.h"
#include "outhook/base/memory.h"
#include "outhook/runtime/log.h"
#include "outhook/store/database.h"
#include "outhook/store/disk.h"
#include "outhook/store/wal_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WAL_HEADER_BYTES = 32,
    WAL_FRAME_BYTES = 4096 + 24,
    CHECKPOINT_FRAMES = 700, /* from here on the log is emptied; a commit of ours adds 250 or so */
    PRODUCER_FRAMES = 1000,  /* from here on a producer's connection does so itself */
    HOLD_BACK_MS = 500,      /* after a bulk commit: its producer is checkpointing */
    RETRY_MS = 1000,
    FEW_FRAMES = 100,      /* that may be copied with the write lock */
    COPY_TIMES_MAX = 3,    /* without it, when more than that come meanwhile */
    REPORT_FRAMES = 25000, /* about 100 MB: a reader keeps the log from being emptied */
};

int checkpoint_open(struct checkpoint *checkpoint, struct database *database, struct error *error) {
    *checkpoint = (struct checkpoint){.database = database};
    int r = wal_guard_install(database->handle, error);
    if (!r)
        checkpoint->wal_path = memory_print("%s-wal", database->file);
    return r;
}

void checkpoint_close(struct checkpoint *checkpoint) {
    free(checkpoint->wal_path);
    *checkpoint = (struct checkpoint){0};
    wal_guard_remove();
}

int64_t checkpoint_frames(void) {
    struct wal_extent log = wal_guard_extent();
    return log.frames == log.copied ? 0 : log.frames;
}

static int64_t checkpoint_frames_left(void) {
    struct wal_extent log = wal_guard_extent();
    return log.frames - log.copied;
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

static int checkpoint_sync_database(struct checkpoint *checkpoint, struct error *error) {
    int reason = 0;
    if (!wal_guard_sync_database())
        return 0;
    sqlite3_file_control(checkpoint->database->handle, "main", SQLITE_FCNTL_LAST_ERRNO, &reason);
    return disk_refuse(checkpoint->database->path, "sync the database", reason, error);
}

/* Copies and syncs while others go on writing, until what came meanwhile is little. When all goes
 * well, *code is SQLITE_OK. */
static int checkpoint_copy(struct checkpoint *checkpoint, int *code, struct error *error) {
    int64_t left = INT64_MAX, before;
    int r, times = 0;
    do {
        before = left;
        *code = wal_guard_checkpoint(SQLITE_CHECKPOINT_PASSIVE);
        if (*code || !checkpoint_frames_left())
            return 0;
        r = checkpoint_sync_database(checkpoint, error);
        left = checkpoint_frames_left();
    } while (!r && left > FEW_FRAMES && left < before && ++times < COPY_TIMES_MAX);
    return r;
}

/* Whether the file is to be cut off, too. */
static bool checkpoint_cuts(const struct checkpoint *checkpoint) {
    return checkpoint_file_frames(checkpoint) >= (checkpoint->forced ? 1 : PRODUCER_FRAMES);
}

/* With the write lock. A bulk commit that it had to wait for may have made the log large. */
static int checkpoint_copy_rest(struct checkpoint *checkpoint) {
    bool cuts = checkpoint_cuts(checkpoint);
    int code = wal_guard_checkpoint(cuts ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART);
    if (!code && !cuts && checkpoint_cuts(checkpoint))
        code = wal_guard_checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
    return code;
}

/* Copies what it can without the write lock, and the rest with it. *code: SQLite's, when it returns
 * 0. The first part is busy when somebody else checkpoints, and then so is the second at once; or
 * when the log's header was just being written, for which the second waits. */
static int checkpoint_empty(struct checkpoint *checkpoint, int *code, struct error *error) {
    /* SQLite syncs the log, too, and then has little left to sync. It may not find what has failed
     * here: the kernel tells of it once. */
    int r = checkpoint_sync_log(checkpoint->database, error);
    if (r)
        return r;
    wal_guard_begin();
    r = checkpoint_copy(checkpoint, code, error);
    if (!r && (*code == SQLITE_OK || (*code & 0xff) == SQLITE_BUSY))
        *code = checkpoint_copy_rest(checkpoint);
    wal_guard_end();
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
    int64_t frames = checkpoint_frames();
    if (frames < CHECKPOINT_FRAMES && !checkpoint_cuts(checkpoint)) {
        checkpoint->big = checkpoint->forced = false;
        return 0;
    }
    /* A producer whose bulk commit made the log this long is about to checkpoint it, too. */
    if (frames >= PRODUCER_FRAMES && !checkpoint->big) {
        checkpoint->big = true;
        checkpoint_put_off(checkpoint, now_mono_ms + HOLD_BACK_MS);
        return 0;
    }

    int code = SQLITE_OK, r = checkpoint_empty(checkpoint, &code, error);
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
        checkpoint_report(checkpoint, checkpoint_file_frames(checkpoint));
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
    checkpoint->forced = true;
    if (checkpoint->wal_path && checkpoint_cuts(checkpoint))
        checkpoint_empty(checkpoint, &code, NULL);
    checkpoint->forced = false;
}
