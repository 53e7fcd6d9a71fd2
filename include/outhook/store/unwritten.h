#ifndef OUTHOOK_STORE_UNWRITTEN_H
#define OUTHOOK_STORE_UNWRITTEN_H

/*
 * Outcomes that wait to be written together. Under load one commit carries many; when there is
 * little to do each is written at once. The store's thread only.
 */

#include "outhook/store/store_message.h"

#include <stdbool.h>
#include <stdint.h>

enum { UNWRITTEN_MAX = 1024 };

/* What a commit took. */
struct commit_cost {
    int64_t frames;  /* of the log that it has written */
    int64_t warm_us; /* before the write lock was taken: to have in memory what it would need */
    int64_t took_us; /* the commit itself */
};

struct unwritten {
    struct store_request *requests[UNWRITTEN_MAX]; /* owned */
    int count;
    int batch;                               /* so many a commit; 0: not known yet */
    bool urgent;                             /* one of them is waited for */
    int64_t committed_at_us;                 /* mono; the last time that some were written */
    int64_t took_us;                         /* that commit; 0: it was due early */
    bool quick;                              /* it had all that it needed in memory */
    int last_count;                          /* so many it wrote, */
    int64_t last_frames;                     /* in so many frames; 0: not known */
    int64_t put_off_since_us, not_before_us; /* mono; others have held the lock since; 0: nobody */
};

/* Takes a STORE_WRITE over; there is room for it. */
void unwritten_add(struct unwritten *unwritten, struct store_request *request);

/* When (mono us) they should be written: at once when there are many, and after a while even if no
 * more come. CLOCK_NEVER: there are none. */
int64_t unwritten_commit_at(const struct unwritten *unwritten);

/* Puts them in the order of their rows, in which writing takes least, and fills `writes` with as
 * many as one commit should carry. Returns how many. */
int unwritten_batch(struct unwritten *unwritten, struct write *writes[UNWRITTEN_MAX]);

/* Somebody else holds the lock. True when it is worth while to do other things first, for a moment:
 * that was not so for long. */
bool unwritten_put_off(struct unwritten *unwritten, int64_t now_us);

/* How many frames a commit of so many may write, where it is worth while to have those, and its
 * rows, in memory before the write lock is taken: it is in no hurry, so there is time; or the last
 * commit seems to have waited for a disk, or for a host that is short of memory. 0: it isn't. */
int64_t unwritten_warm_frames(const struct unwritten *unwritten, int count);

/* The first `count` have been written, and given away, at such a cost. From its frames follows how
 * many the next commit may carry: it is to be as large as it can be without making the log too long
 * for the checkpoints' sake, or holding the lock for long. From its time follows how long the next
 * one may wait for company: producers, which want the same lock, are to find it free nearly always.
 */
void unwritten_committed(struct unwritten *unwritten, int count, const struct commit_cost *cost,
                         int64_t now_us);

/* Frees those that never will be. */
void unwritten_drop(struct unwritten *unwritten);

#endif
