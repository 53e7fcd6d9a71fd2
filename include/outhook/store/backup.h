#ifndef OUTHOOK_STORE_BACKUP_H
#define OUTHOOK_STORE_BACKUP_H

/*
 * A consistent copy of the database while all goes on.
 *
 * SQLite's backup begins anew whenever another process commits, so under load it would never end.
 * Here the source's snapshot is held in a read transaction from the first page to the last. What
 * others commit meanwhile stays in the write-ahead log, which grows until then.
 *
 * The copy is written beside its final place, synced, and renamed: whoever finds it there finds it
 * whole. It holds secrets and payloads, so that its owner alone may read it (0600).
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

struct backup_options {
    bool overwrite; /* what is there already */
    bool check;     /* read the copy once more, page by page (PRAGMA quick_check) */
    /* Called now and then; false gives up. May be NULL. */
    bool (*progress)(void *context, int64_t done_pages, int64_t total_pages);
    void *context;
};

struct backup_result {
    int64_t bytes;
};

/* Copies an open database to `path`. ERROR_STOPPED when it was given up; after any error nothing is
 * left behind. */
int backup_make(struct database *database, const char *path, const struct backup_options *options,
                struct backup_result *result, struct error *error) must_check;

/* Renames a file within its directory, and syncs that: some file systems (Btrfs) keep the new name
 * over a power loss only then, whatever else is synced. Any thread. */
int backup_rename(const char *from, const char *to, struct error *error) must_check;

#endif
