#ifndef OUTHOOK_SERVICE_PULSE_H
#define OUTHOOK_SERVICE_PULSE_H

/*
 * What the daemon tells of itself without asking the database to be written: how many calls are in
 * flight, in the file of its lock, for `outhook status` and `outhook top`. The file is written by
 * one of libuv's threads, so a disk that hangs holds nothing up. The loop's thread.
 */

#include "outhook/store/lock.h"

#include <stdbool.h>
#include <uv.h>

struct pulse {
    uv_loop_t *loop;
    uv_fs_t write;
    int fd, told; /* told: -1: nothing yet */
    bool writing;
    char text[STORE_LOCK_TEXT_BYTES + 1];
};

/* `fd` is the lock's, and stays open until the loop has ended. */
void pulse_init(struct pulse *pulse, uv_loop_t *loop, int fd);

/* Tells it when it has changed, unless the last time is still under way. */
void pulse_tell(struct pulse *pulse, int in_flight);

#endif
