#ifndef OUTHOOK_STORE_WATCH_H
#define OUTHOOK_STORE_WATCH_H

/*
 * Knows when it is worth asking the database whether somebody else has committed.
 *
 * Asking (PRAGMA data_version) is what counts; it costs about 2 us. A watch on the directory only
 * says when to ask, and it says so too early: the write to the -wal file that it sees comes before
 * the commit is visible, by as long as the producer's fsync takes. So one event starts a ladder of
 * looks, from 0.1 to 160 ms later, and a look every 250 ms is the net below: it finds what a file
 * system without events (network, FUSE) never tells.
 */

#include "outhook/base/error.h"
#include "outhook/runtime/waker.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int fd; /* inotify; -1: the timer alone */
    char database_name[256], wal_name[256];
    int64_t database_writes; /* of the database's file itself that were seen, by whomever */
    int64_t event_at_us;     /* mono; when the ladder started */
    int step;                /* the next rung */
    int64_t look_at_us;      /* mono; when to look next */
};

/* Watches the directory of a database, and makes the sleeps of this thread exact. That a watch
 * can't be had is no error: the timer remains. */
void watch_open(struct watch *watch, const char *database_path);

void watch_close(struct watch *watch);

/* Reads what happened; call it when the descriptor is readable. */
void watch_read(struct watch *watch, int64_t now_us);

/* Waits for so long, or until the waker, which is then taken, or the watch has something. */
void watch_wait(struct watch *watch, struct waker *waker, int64_t wait_us);

/* Whether it is time to look; the next time is set then. */
bool watch_due(struct watch *watch, int64_t now_us);

#endif
