#ifndef OUTHOOK_STORE_PRESENCE_H
#define OUTHOOK_STORE_PRESENCE_H

/*
 * Notices when the database or its -wal file is moved, deleted or replaced while it is open: it
 * would go on accepting writes that nobody will ever see; and when its schema is edited. Looks a
 * second after the watch has seen something, and at each turn that comes later anyway.
 */

#include "outhook/base/error.h"
#include "outhook/store/schema.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct database;
struct watch;

/* How far the write-ahead log had been copied into the database: which log, and up to which frame.
 */
struct presence_copied {
    uint32_t salts[2], frames;
};

/* Starts as {0}. */
struct presence {
    int64_t look_at_ms; /* mono */
    ino_t wal_inode;    /* 0: it has yet to be seen */
    bool noted;         /* of the last look: */
    struct presence_copied copied;
    struct timespec written_at; /* the database's file was */
    int64_t writes, renames;    /* of it that the watch had seen */
    bool doubted;               /* it looks written, and no write was seen: look once more */
    struct schema_watch schema;
};

/* Looks, if it is time to; ERROR_DAMAGED when it is no longer where it was, or what. What `watch`
 * has seen tells a file that was written from one whose times were set. */
int presence_check(struct presence *presence, struct database *database, const char *wal_path,
                   struct watch *watch, int64_t now_mono_ms, struct error *error) must_check;

/* When (mono ms) it wants to look: CLOCK_NEVER while the watch has seen nothing since it did. */
int64_t presence_due_at(const struct presence *presence, const struct watch *watch);

#endif
