#ifndef OUTHOOK_STORE_WAL_GUARD_H
#define OUTHOOK_STORE_WAL_GUARD_H

/*
 * Stands between SQLite and the locks of its write-ahead log, for the one connection of this
 * process that checkpoints, and sees to it that no commit is lost to a checkpoint.
 *
 * SQLite before 3.51.3 can lose commits in a PASSIVE checkpoint, which copies without the write
 * lock (https://www.sqlite.org/wal.html#walresetbug): another connection starts the log again after
 * the checkpoint has read its header and before it copies, and more frames are then recorded as
 * copied than there are. SQLite's remedy is to look, once read lock 0 is held exclusively and the
 * log can't start again any more, whether its salts are those that were read. The guard does the
 * same: taking that lock is refused if the log has started again since, unless we hold the write
 * lock, as nobody else can start it again then. RESTART and TRUNCATE, which go on as PASSIVE,
 * silently, when they can't get the write lock, are under the same rule.
 *
 * The checkpoint lock is kept from the first call of a checkpoint to its last one, so that another
 * process's SQLite, which may not have the remedy, does not begin one of its own in between.
 */

#include "outhook/base/error.h"

#include <stdint.h>

struct sqlite3;

/* Guards an open connection, and becomes its busy handler. From here on that connection's thread
 * only; the same holds for all functions below. */
int wal_guard_install(struct sqlite3 *handle, struct error *error) must_check;

/* Forgets the connection, which is closed or about to be. */
void wal_guard_remove(void);

/* Begins and ends a checkpoint, which may be several calls of wal_guard_checkpoint(): that is called
 * in between only. */
void wal_guard_begin(void);
void wal_guard_end(void);

/* Runs one checkpoint of SQLite's modes; returns SQLite's code. It waits for the write lock for 0.1
 * s at most, and with that lock for readers for 20 ms. */
int wal_guard_checkpoint(int mode);

/* Syncs the database's file, unless the last wal_guard_checkpoint() did: SQLite does so when it has
 * copied all frames that there are by then. The file must not be opened for that beside SQLite, as
 * closing it would let go of this process's locks. Returns SQLite's code. */
int wal_guard_sync_database(void);

/* Frames in the log now, and how many of them are in the database already. Both 0 before anything
 * was read from the connection. What others write there is read without a lock: it may be old by
 * the time that it is used. */
struct wal_extent {
    int64_t frames, copied;
};
struct wal_extent wal_guard_extent(void);

#endif
