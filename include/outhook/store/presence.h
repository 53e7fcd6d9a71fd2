#ifndef OUTHOOK_STORE_PRESENCE_H
#define OUTHOOK_STORE_PRESENCE_H

/*
 * Notices when the database or its -wal file is moved, deleted or replaced while it is open: it
 * would go on accepting writes that nobody will ever see. Looks once a second.
 */

#include "outhook/base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct database;

/* Starts as {0}. */
struct presence {
    int64_t look_at_ms; /* mono */
    ino_t wal_inode;    /* 0: it has yet to be seen */
};

/* Looks, if it is time to; ERROR_DAMAGED when it is no longer where it was. */
int presence_check(struct presence *presence, const struct database *database, const char *wal_path,
                   int64_t now_mono_ms, struct error *error) must_check;

#endif
