#ifndef OUTHOOK_STORE_PATIENCE_H
#define OUTHOOK_STORE_PATIENCE_H

/*
 * Waiting until the database can be used: for a lock that another process holds, and for space on a
 * full disk. A wait that takes long is spoken of once, and so is its end. The store's thread.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t since_ms; /* mono */
    bool reported;
};

struct patience patience_begin(void);

/* After a failure of kind `r`: waits a little when it may pass, and returns true. False when it
 * won't pass, or when `give_up` and it has been waited for long enough. */
bool patience_wait(struct patience *patience, int r, bool give_up, const struct error *error);

/* What was waited for has come. */
void patience_end(const struct patience *patience);

#endif
