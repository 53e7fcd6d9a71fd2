#ifndef OUTHOOK_STORE_SPACE_H
#define OUTHOOK_STORE_SPACE_H

/*
 * Gives the space of deleted rows back to the file system, a few pages at a time (PRAGMA
 * incremental_vacuum). Some free pages are kept, for what is written next would only take them
 * back. The file gets smaller with the next checkpoint. One thread: that of the connection.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

struct space {
    struct database *database;
    bool works;          /* the database was made so that it can; not by a stock sqlite3 */
    int pages;           /* of the next slice */
    int64_t pages_freed; /* so far */
};

int space_open(struct space *space, struct database *database, struct error *error) must_check;

/* Gives the next few pages back; *more becomes whether there are more to give. ERROR_BUSY and
 * ERROR_FULL as with any write. */
int space_run(struct space *space, bool *more, struct error *error) must_check;

#endif
