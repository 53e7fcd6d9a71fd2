#ifndef OUTHOOK_STORE_CHECKPOINT_H
#define OUTHOOK_STORE_CHECKPOINT_H

/*
 * Moves the write-ahead log into the database, often and in small pieces, so that a producer's own
 * connection, unless its commit is as large as that, does not find enough of it (1000 frames) to do
 * so itself.
 *
 * Most of the work is done while others go on writing: frames are copied and the database synced
 * without the write lock (PASSIVE). The write lock is then taken for what came meanwhile, and for
 * waiting until nobody reads the log, so that the next commit starts it again. wal_guard.h says how
 * no commit is lost to that.
 *
 * Where the log is emptied its file stays as it is, to be written over (RESTART): blocks that are
 * there already cost a sync less than new ones. It is cut off (TRUNCATE) when it has become large,
 * when something in it is not to be read there any longer, and at the end.
 *
 * A reader that holds an old snapshot can keep the log from being emptied. We wait for it for a few
 * milliseconds only, as producers have to wait as long, and try again later.
 */

#include "outhook/base/error.h"
#include "outhook/store/patience.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

struct checkpoint {
    struct database *database;
    char *wal_path;
    int64_t not_before_ms;   /* mono */
    int64_t reported_frames; /* that a log had when it was last spoken of; 0: it is short */
    bool waits;              /* there is something to do at that time */
    bool forced;             /* the log is to be emptied however short it is */
    bool big; /* the log was seen beyond what a producer's own checkpoint starts at */
    struct patience patience; /* with a full disk */
};

/* Guards an open connection. It must be the only one in the process that checkpoints. */
int checkpoint_open(struct checkpoint *checkpoint, struct database *database,
                    struct error *error) must_check;

void checkpoint_close(struct checkpoint *checkpoint);

/* Frames in the log now that are not all in the database yet; 0 before anything was read from the
 * guarded connection. */
int64_t checkpoint_frames(void);

/* Checkpoints if the log is long enough and the time has come. Fails only when the disk does: a
 * lock or a full disk put it off. */
int checkpoint_run(struct checkpoint *checkpoint, int64_t now_mono_ms,
                   struct error *error) must_check;

/* When (mono ms) it wants to run though nothing is written: CLOCK_NEVER for not at all. */
int64_t checkpoint_due_at(const struct checkpoint *checkpoint);

/* Syncs a database's log to the disk: the one file of it that may be opened beside SQLite, as no
 * lock is on it. No log is none to sync. Any thread. */
int checkpoint_sync_log(const struct database *database, struct error *error) must_check;

/* Reads the part of the log that the next frames will be written over. A frame is no whole number
 * of pages: of those that are not in memory, the kernel would read the rest while the write lock is
 * held. Best effort. */
void checkpoint_warm_log(const struct checkpoint *checkpoint, int64_t frames);

/* Lets the next runs empty the log however short it is, until one of them can: something in it was
 * overwritten that is not to be read there any longer. */
void checkpoint_force(struct checkpoint *checkpoint);

/* Checkpoints whatever there is, as the last act before closing. Best effort. */
void checkpoint_finish(struct checkpoint *checkpoint);

#endif
