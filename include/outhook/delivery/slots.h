#ifndef OUTHOOK_DELIVERY_SLOTS_H
#define OUTHOOK_DELIVERY_SLOTS_H

/*
 * How many calls are under way, how many have ended without being written yet, and what that leaves
 * room for. An outcome that waits to be written holds no slot, so that calls go on while the disk
 * is synced; but there is a bound to these, too: a store that can't write stops the dispatch. Pure
 * arithmetic. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct slots_policy {
    int max_in_flight;
    int max_unwritten;        /* outcomes beyond which no call is begun */
    int origin_max_in_flight; /* to one origin; 0: as many as it may have at most */
};

struct slots {
    int n_flying, n_unproven; /* the latter are some of the former */
    int n_unwritten;
};

/* Whether one more call may be begun. Calls under way and outcomes not yet written together never
 * exceed max_in_flight + max_unwritten, however many of the former end before one is written. */
bool slots_have_room(const struct slots *slots, const struct slots_policy *policy);

/* Whether a call may be begun to an endpoint that has not proven able to answer: half of all slots
 * are for all such together, `n_reserved` of which are promised already. */
bool slots_have_unproven_room(const struct slots *slots, const struct slots_policy *policy,
                              int n_reserved);

/* Whether as many outcomes wait to be written that this will soon keep calls from being begun. */
bool slots_wait_for_store(const struct slots *slots, const struct slots_policy *policy);

/* The most calls under way at once to one origin. More than the unproven ones' share, so that those
 * who hang at an origin leave room there for those who don't; and less than all, so that a whole
 * origin that hangs leaves room for others. */
int slots_origin_limit(const struct slots_policy *policy);

/* How long (ms) an endpoint that usually answers may at least fall silent before it gets no further
 * call. The fewer slots are free, the less: what falls silent together may then swallow a part of
 * what is left, and not all of it. */
int64_t slots_overdue_floor_ms(const struct slots *slots, const struct slots_policy *policy);

#endif
