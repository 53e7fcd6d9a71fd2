#ifndef OUTHOOK_STORE_WATCH_H
#define OUTHOOK_STORE_WATCH_H

/*
 * Knows when it is worth asking the database whether somebody else has committed.
 *
 * Asking (PRAGMA data_version) is what counts; it costs about 2 us. A watch on the directory only
 * says when to ask, and it says so too early: the write to the -wal file that it sees comes before
 * the commit is visible, by as long as the producer's fsync takes. So one event starts a ladder of
 * looks, the first ones 0.1 ms apart, the later ones by a third of the time that has passed, up to
 * ten seconds: a commit is found soon, as its fsync goes, and who has nothing to do sleeps.
 *
 * A file system that tells of no events (network, FUSE), and a kernel that has no watch left, are
 * served by the looks alone, which are no more than 250 ms apart then. That events are missing is
 * learnt from the first commit that none has told of.
 */

#include "outhook/base/error.h"
#include "outhook/runtime/waker.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int fd;     /* inotify; -1: there is none */
    bool blind; /* others' commits come without an event */
    char database_name[256], wal_name[256];
    int64_t database_writes; /* of the database's file itself that were seen, by whomever */
    int64_t log_writes;      /* of its log, likewise */
    int64_t renames;         /* of it or of its log that were seen: moved, made, deleted */
    int64_t event_at_us;     /* mono; when the ladder started; 0: it starts with the first look */
    int step;                /* the next rung */
    int64_t look_at_us;      /* mono; when to look next */
};

/* Watches the directory of a database, and makes the sleeps of this thread exact. That a watch
 * can't be had is no error: the looks remain. */
void watch_open(struct watch *watch, const char *database_path);

void watch_close(struct watch *watch);

/* Reads what happened, if anything did. */
void watch_read(struct watch *watch, int64_t now_us);

/* Waits for so long, or until the waker, which is then taken, or the watch has something. */
void watch_wait(struct watch *watch, struct waker *waker, int64_t wait_us);

/* Whether it is time to look; the next time is set then. */
bool watch_due(struct watch *watch, int64_t now_us);

/* A look has found a commit of another's. Whether that is what shows, for the first time, that
 * there are commits which no event tells of. */
bool watch_found(struct watch *watch, int64_t now_us);

#endif
