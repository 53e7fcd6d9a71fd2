#ifndef OUTHOOK_STORE_UNWRITTEN_H
#define OUTHOOK_STORE_UNWRITTEN_H

/*
 * Outcomes that wait to be written together. Under load one commit carries many; when there is
 * little to do each is written at once. The store's thread only.
 */

#include "outhook/store/store_message.h"

#include <stdbool.h>
#include <stdint.h>

enum { UNWRITTEN_MAX = 512 };

struct unwritten {
    struct store_request *requests[UNWRITTEN_MAX]; /* owned */
    int count;
    bool urgent;             /* one of them is waited for */
    int64_t committed_at_us; /* mono; the last time that some were written */
};

/* Takes a STORE_WRITE over; there is room for it. */
void unwritten_add(struct unwritten *unwritten, struct store_request *request);

/* When (mono us) they should be written even if no more come; CLOCK_NEVER: there are none. */
int64_t unwritten_commit_at(const struct unwritten *unwritten);

/* Whether that is now, or there are many. */
bool unwritten_is_due(const struct unwritten *unwritten, int64_t now_us);

/* Puts them in the order of their rows, in which writing takes least; fills `writes`. */
void unwritten_sort(struct unwritten *unwritten, struct write *writes[UNWRITTEN_MAX]);

/* They have been written, and given away. */
void unwritten_clear(struct unwritten *unwritten);

/* Frees those that never will be. */
void unwritten_drop(struct unwritten *unwritten);

#endif
