#ifndef OUTHOOK_HTTP_LOOKUP_H
#define OUTHOOK_HTTP_LOOKUP_H

/*
 * Lookups of host names, each on a thread of its own.
 *
 * getaddrinfo() asks whatever the machine is set up to ask (/etc/hosts, DNS, …), may take minutes
 * when nobody answers, and can't be interrupted. So nobody ever waits for its thread: it is
 * detached, hands its answer over through a bounded channel, and throws it away when whoever asked
 * has gone. The pools of libuv and libcurl are joined in the end, which is why neither is used.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { LOOKUP_ADDRESSES_MAX = 16 };

/* One lookup and its answer. */
struct lookup {
    char *host;
    void *asker;           /* whose lookup this is; nothing to us */
    char *addresses;       /* parted by commas, in the order to try them; NULL: it failed */
    char *error;           /* then why, without a full stop */
    bool lasting;          /* and the name has no address, so that asking again soon won't help */
    struct lookups *owner; /* ours */
};

/* Looks a name up the system's way, and waits for as long as that takes. Any thread. */
void lookup_by_system(struct lookup *lookup);

/* Frees a lookup that has ended. */
void lookup_free(struct lookup *lookup);

struct lookups;

/* Room for at most `most` lookups at once, each of which runs `look` (lookup_by_system(), but in
 * tests) on its thread. `wake` is called, on any thread, when there are ended ones to take. */
struct lookups *lookups_new(int most, void (*look)(struct lookup *lookup),
                            void (*wake)(void *context), void *context);

/* Starts one; the caller sees to it that there are no more than `most`. Fails when no thread can be
 * had. Owner's thread. */
int lookups_start(struct lookups *lookups, const char *host, void *asker,
                  struct error *error) must_check;

/* Takes the next lookup that has ended, or NULL. Owner's thread. */
struct lookup *lookups_receive(struct lookups *lookups);

/* Lets go of them all, and waits for none. `wake` is not called any more when this returns. NULL is
 * fine. Owner's thread. */
void lookups_abandon(struct lookups *lookups);

#endif
