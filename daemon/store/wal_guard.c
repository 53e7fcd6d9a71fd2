#include "outhook/store/wal_guard.h"

#include "outhook/base/clock.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum {
    READER_WAIT_MS = 20,  /* how long a checkpoint waits, and lets producers wait, for readers */
    WRITER_WAIT_MS = 100, /* how long it waits for the write lock: there is a next time */
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

static struct guard {
    sqlite3 *handle;
    sqlite3_file *file;
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    bool has_index; /* SQLite has opened the log's shared memory, and will close it */
    bool write_lock_held;
    bool checkpointing;
    bool checkpoint_lock_kept; /* since the first call of the checkpoint under way */
    bool synced;               /* the database, since the last call began */
    uint32_t salts[2];         /* of the log, before the call under way looked at it */
    int64_t wait_until_us;     /* mono; of the phase under way */
} guard;

/* NULL while nobody has opened the log. */
static const uint32_t volatile *guard_index(void) {
    void volatile *region = NULL;
    if (guard.file && guard.has_index)
        guard.original->xShmMap(guard.file, 0, INDEX_REGION_BYTES, 0, &region);
    return region;
}

struct wal_extent wal_guard_extent(void) {
    const uint32_t volatile *words = guard_index();
    if (!words)
        return (struct wal_extent){0};
    return (struct wal_extent){.frames = words[INDEX_MAX_FRAME], .copied = words[INDEX_BACKFILLED]};
}

/* ---- which log it is ------------------------------------------------------------------------- */

static void guard_remember_log(void) {
    const uint32_t volatile *words = guard_index();
    for (int i = 0; i < 2; i++)
        guard.salts[i] = words ? words[INDEX_SALTS + i] : 0;
}

/* Only a holder of the write lock can start the log again, and nobody can while read lock 0 is held
 * exclusively. */
static bool guard_log_is_the_same(void) {
    const uint32_t volatile *words = guard_index();
    return guard.write_lock_held || (words && words[INDEX_SALTS] == guard.salts[0] &&
                                     words[INDEX_SALTS + 1] == guard.salts[1]);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static int guard_unlock(sqlite3_file *file, int offset, int count) {
    return guard.original->xShmLock(file, offset, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
}

static void guard_note_write_lock(bool held) {
    guard.write_lock_held = held;
    if (guard.checkpointing && held)
        guard.wait_until_us = clock_mono_us() + READER_WAIT_MS * 1000;
}

/* SQLite reads the log's header after it has this lock. */
static int guard_checkpoint_lock(sqlite3_file *file, int flags) {
    bool kept = guard.checkpoint_lock_kept;
    int code = kept ? SQLITE_OK : guard.original->xShmLock(file, WAL_CHECKPOINT_LOCK, 1, flags);
    guard.checkpoint_lock_kept = code == SQLITE_OK;
    guard_remember_log();
    return code;
}

static int guard_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    bool locks = flags & SQLITE_SHM_LOCK, exclusive = flags & SQLITE_SHM_EXCLUSIVE;
    guard.has_index = true;
    if (guard.checkpointing && exclusive && offset == WAL_CHECKPOINT_LOCK && count == 1)
        return locks ? guard_checkpoint_lock(file, flags) : SQLITE_OK;
    int code = guard.original->xShmLock(file, offset, count, flags);
    if (exclusive && offset == WAL_WRITE_LOCK && (!locks || code == SQLITE_OK))
        guard_note_write_lock(locks);
    if (code)
        return code;
    bool copies = guard.checkpointing && exclusive && locks && offset == WAL_READ_LOCK_0;
    if (copies && !guard_log_is_the_same()) {
        guard_unlock(file, offset, count);
        return SQLITE_BUSY;
    }
    return SQLITE_OK;
}

static int guard_sync(sqlite3_file *file, int flags) {
    int code = guard.original->xSync(file, flags);
    guard.synced |= code == SQLITE_OK;
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

int wal_guard_install(sqlite3 *handle, struct error *error) {
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
    if (code || !file || !file->pMethods || file->pMethods->iVersion < 2)
        return error_set(error, ERROR_FAILED,
                         "this SQLite gives no access to its write-ahead log's locks");
    guard = (struct guard){
        .handle = handle, .file = file, .original = file->pMethods, .methods = *file->pMethods};
    guard.methods.xShmLock = guard_shm_lock;
    guard.methods.xSync = guard_sync;
    file->pMethods = &guard.methods;
    sqlite3_busy_handler(handle, guard_busy, NULL);
    return 0;
}

void wal_guard_remove(void) {
    guard.file = NULL;
    guard.has_index = false;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

void wal_guard_begin(void) {
    guard.checkpointing = true;
}

void wal_guard_end(void) {
    if (guard.checkpoint_lock_kept)
        guard_unlock(guard.file, WAL_CHECKPOINT_LOCK, 1);
    guard.checkpoint_lock_kept = guard.checkpointing = false;
}

int wal_guard_checkpoint(int mode) {
    guard.synced = false;
    guard.wait_until_us = clock_mono_us() + WRITER_WAIT_MS * 1000;
    return sqlite3_wal_checkpoint_v2(guard.handle, "main", mode, NULL, NULL);
}

int wal_guard_sync_database(void) {
    return guard.synced ? SQLITE_OK : guard.file->pMethods->xSync(guard.file, SQLITE_SYNC_NORMAL);
}
