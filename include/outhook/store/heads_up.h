#ifndef OUTHOOK_STORE_HEADS_UP_H
#define OUTHOOK_STORE_HEADS_UP_H

/*
 * When to tell those whom a webhook passes through that one may be about to come.
 *
 * The first sign of a commit is a write to the log. The commit follows as much later as its fsync
 * takes, and after some rest nobody is quick: threads have to be woken, processors come out of
 * deeper sleep, and what is needed is in nobody's cache any more, or in memory that a host has
 * taken back. All that can pass while the fsync lasts.
 *
 * Who is busy is awake, so only a sign after some quiet counts. And there may be neighbours who
 * write to the same database and never insert a webhook: each time that a heads-up was given in
 * vain, the next one is put off for twice as long, up to a second.
 *
 * No clock. One thread: the store's.
 */

#include <stdbool.h>
#include <stdint.h>

/* All zero at first. Times are mono. */
struct heads_up {
    int64_t sign_at_us;    /* the last one */
    int64_t not_before_us; /* the next heads-up */
    int64_t put_off_us;    /* how much later than the next heads-up the one after it may be */
};

/* Somebody else has begun to write at `now_us`. Whether it is time for a heads-up. */
bool heads_up_due(struct heads_up *heads_up, int64_t now_us);

/* A write of our own, which tells nothing but that it isn't quiet. */
void heads_up_own_write(struct heads_up *heads_up, int64_t now_us);

/* Webhooks have come: the last one was not in vain. */
void heads_up_right(struct heads_up *heads_up);

#endif
