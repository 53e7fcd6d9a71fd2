#ifndef OUTHOOK_HTTP_RESOLVER_H
#define OUTHOOK_HTTP_RESOLVER_H

/*
 * Addresses for host names: one lookup a host, however many calls wait for it, and a cache of what
 * came out, so that libcurl never looks anything up itself (it would start a thread for each call).
 *
 * An answer is used for `cache_ms`. A failure, or that nobody answered in time, is believed for
 * NAME_FAILED_MS, and what is known of a host outlives a resolver that doesn't answer: while a new
 * lookup fails otherwise than by "there is no such name", or hasn't ended after
 * NAME_STALE_AFTER_MS, the old addresses go on being used for up to NAME_STALE_MS (RFC 8767).
 * Whether an address may be called is not asked here, but where a socket is connected.
 *
 * Lookups at once are bounded, for each takes a thread for as long as nobody answers. So that names
 * nobody answers for don't take them all, three quarters are for names that have never resolved,
 * and half for names that failed last; the rest is left to those that did resolve.
 *
 *      IDLE ──asked, nothing fresh──▶ QUEUED ──a lookup is free──▶ RUNNING
 *        ▲                              │ nobody waits any more       │
 *        └──────────────────────────────┴──────────── ended ──────────┘
 *
 * One thread, its owner's. `now` is monotonic ms and an argument, so that tests need not wait.
 */

#include "outhook/base/heap.h"
#include "outhook/base/list.h"
#include "outhook/http/lookup.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    NAMES_MAX = 4096,      /* remembered, at about 200 bytes each; those asked longest ago go */
    NAME_FAILED_MS = 5000, /* as the first wait of the retry schedule: each retry asks anew */
    NAME_STALE_AFTER_MS = 1800, /* RFC 8767, 5: what a client waits for at most */
    NAME_STALE_MS = 3600000,    /* an hour: most outages, and few addresses that move on */
};

struct resolver;

/* One who waits for a host's addresses. All zero at first; lies still while it waits. */
struct resolver_wait {
    struct list link;          /* of the host's waits */
    struct heap_node deadline; /* of all waits */
    int64_t until_ms;          /* when it waits no more */
    struct name *name;
};

struct resolver_settings {
    int max_lookups;
    int64_t cache_ms; /* 0: an answer is for those who waited for it */
    void (*look)(struct lookup *lookup);
    /* Tells one who waited, or who asks just now: addresses parted by commas, or NULL and why.
     * Both are lent for the call. */
    void (*answer)(void *context, struct resolver_wait *wait, const char *addresses,
                   const char *error);
    void (*wake)(void *context); /* any thread: resolver_turn() has to be called */
    void *context;
};

struct resolver *resolver_new(const struct resolver_settings *settings);

/* Frees a resolver in which nobody waits; lookups under way are left to themselves. NULL is fine.
 */
void resolver_free(struct resolver *resolver);

/* Asks for a host's addresses (its name in lower case), for which `wait` waits until `until_ms` at
 * most. The answer may come at once, before this returns. */
void resolver_ask(struct resolver *resolver, const char *host, struct resolver_wait *wait,
                  int64_t until_ms, int64_t now_ms);

/* Takes what lookups have found, and answers those whose time is up. */
void resolver_turn(struct resolver *resolver, int64_t now_ms);

/* When resolver_turn() is due even if nothing wakes the owner; CLOCK_NEVER: not. */
int64_t resolver_wake_at(const struct resolver *resolver);

/* Takes out one who waits, who is then not answered; NULL when nobody does. */
struct resolver_wait *resolver_give_up(struct resolver *resolver);

/* From now on; lookups under way go on. */
void resolver_set_cache(struct resolver *resolver, int64_t cache_ms);

/* Names remembered, and lookups under way: for tests. */
int resolver_names(const struct resolver *resolver);
int resolver_running(const struct resolver *resolver);

#endif
