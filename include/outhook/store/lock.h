#ifndef OUTHOOK_STORE_LOCK_H
#define OUTHOOK_STORE_LOCK_H

/*
 * Keeps a second daemon off a database: flock(2) on a file beside it, `<database>.lock`, which
 * holds the owner's process id, and behind that what setback.h has to remember. The kernel lets go
 * of it when the process ends, however it ends. It is never taken on the database itself, whose
 * locks are SQLite's.
 */

#include "outhook/base/error.h"

#include <stddef.h>

enum { STORE_LOCK_TEXT_BYTES = 48 };

/* What stands before the number of calls in flight in the file's second line. */
#define STORE_LOCK_IN_FLIGHT "in_flight="

struct store_lock {
    int fd; /* -1: not held */
};

/* The lock file of a database: beside the file itself, whatever links lead to it, so that no other
 * name of it gets around the lock. Freed with free(). Any thread. */
char *store_lock_path(const char *database_path);

/* Takes the lock, or says which process holds it. Waits a moment before it gives up, as others look
 * whether it is taken by taking it. */
int store_lock_take(struct store_lock *lock, const char *database_path,
                    struct error *error) must_check;

/* What the owner writes into the lock's file, from its beginning: its process id and how many calls
 * are in flight, in STORE_LOCK_TEXT_BYTES, so that nothing of an earlier owner's is left, and what
 * stands behind it stays. */
void store_lock_text(char text[STORE_LOCK_TEXT_BYTES + 1], int in_flight);

/* Lets go; harmless when not held. */
void store_lock_release(struct store_lock *lock);

#endif
