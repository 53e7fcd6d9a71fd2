#ifndef OUTHOOK_STORE_LOCKED_H
#define OUTHOOK_STORE_LOCKED_H

/*
 * The endpoints that have a secret that does not open, or whose secrets all expire, for the store to
 * read again when that may have changed without an edit: when there are other keys, and when the time
 * of those secrets is over. One thread: the store's.
 */

#include "outhook/base/map.h"

#include <stddef.h>
#include <stdint.h>

struct endpoint;

/* Starts as {0}. */
struct locked {
    struct map endpoints; /* by id; until when (wall ms) each is locked */
    int64_t until_at;     /* wall ms; none of them is over before that */
};

void locked_free(struct locked *locked);

/* An endpoint was read; NULL: it is gone. */
void locked_note(struct locked *locked, int64_t endpoint_id, const struct endpoint *endpoint);

/* The ids of those whose lock is over at `now_wall_ms`, of all for CLOCK_NEVER; an array that the
 * caller frees, or NULL when there are none. They stay noted until they are read again. */
int64_t *locked_over(struct locked *locked, int64_t now_wall_ms, size_t *count);

#endif
