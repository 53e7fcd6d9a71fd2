#ifndef OUTHOOK_STORE_PATIENCE_H
#define OUTHOOK_STORE_PATIENCE_H

/*
 * Waiting until the database can be used: for a lock that another process holds, and for space on a
 * full disk. A wait that takes long is spoken of once, and so is its end; of waits that come and
 * go, one a minute. The store's thread.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t since_ms; /* mono; 0: nothing is waited for */
    bool reported;
    bool starting; /* see patience_helps() */
};

/* Whether an error of kind `r` may pass: at the start, when nothing is open yet, also one of a
 * disk. */
bool patience_helps(int r, bool starting);

struct patience patience_begin(void);

/* After a failure of kind `r`: waits a little when it may pass, and returns true. False when it
 * won't pass, or when `give_up` and it has been waited for long enough. */
bool patience_wait(struct patience *patience, int r, bool give_up, const struct error *error);

/* What was waited for has come. */
void patience_end(const struct patience *patience);

/* For what is tried again by itself, now and then: notes how it went this time, 0 or an error's
 * kind. When it has failed for a while, that is spoken of once, with what follows from it ("secrets
 * stay as they are"). A zeroed patience is one with which all is well. */
void patience_note(struct patience *patience, int r, const char *consequence,
                   const struct error *error);

#endif
