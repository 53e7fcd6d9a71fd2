#ifndef OUTHOOK_STORE_SETBACK_H
#define OUTHOOK_STORE_SETBACK_H

/*
 * A note of failures in a row, from one process to the next: so that a daemon which a service
 * manager starts again and again, on a disk that nobody has mended yet, waits longer each time
 * instead of working and failing every other second.
 *
 *      failures in a row          1      2     3     4     5     6     7    8, and more
 *      the next start waits     not     5s   10s   20s   40s   80s   160s   5m
 *
 * It is counted from the failure on, so that who takes long to come back has waited already. A run
 * that ends well, or that goes well for SETBACK_WELL_MS, is the end of the row. So there are a
 * dozen starts an hour at most in the long run, whether one fails at once or after some minutes.
 *
 * The note stands in the file of the lock, behind what lock.h writes there: that file is open
 * already, it survives the process, and only who holds the lock writes it. A note that can't be
 * written or read is none, and the next start works at once.
 */

#include "outhook/base/error.h"

#include <stdint.h>

enum { SETBACK_WELL_MS = 300000 };

struct setback {
    int64_t failures;  /* in a row; 0: none, and the rest means nothing */
    int64_t failed_at; /* wall ms, of the last one */
    struct error error;
};

/* Reads the note of a database from its lock's file. Any thread, and any process. */
void setback_read(struct setback *setback, int fd);

/* Counts a failure, and leaves a note of it. Who holds the lock. */
void setback_fail(struct setback *setback, const struct error *error, int64_t now_wall_ms, int fd);

/* The row has ended: takes the note away. Who holds the lock. */
void setback_end(struct setback *setback, int fd);

/* How long a start has to wait still, in ms; 0: it may work. Never more than five minutes, wherever
 * the clock was set to meanwhile. */
int64_t setback_wait_ms(const struct setback *setback, int64_t now_wall_ms);

#endif
