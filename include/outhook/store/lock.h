#ifndef OUTHOOK_STORE_LOCK_H
#define OUTHOOK_STORE_LOCK_H

/*
 * Keeps a second daemon off a database: flock(2) on a file beside it, `<database>.lock`, which
 * holds the owner's process id. The kernel lets go of it when the process ends, however it ends. It
 * is never taken on the database itself, whose locks are SQLite's.
 */

#include "outhook/base/error.h"

#include <stddef.h>

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

/* What the owner may write into the lock's file, from its beginning: its process id and how many
 * calls are in flight. It is as long for any number, so that nothing of an earlier one is left. */
void store_lock_text(char *text, size_t size, int in_flight);

/* Lets go; harmless when not held. */
void store_lock_release(struct store_lock *lock);

#endif
