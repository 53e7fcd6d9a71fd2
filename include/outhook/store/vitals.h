#ifndef OUTHOOK_STORE_VITALS_H
#define OUTHOOK_STORE_VITALS_H

/*
 * How much is pending, and since when: read by the store's thread a second after something has
 * changed, told by any other in the status line of the service. Where there are more than a few
 * thousand pending deliveries the age is that of the first ones in each endpoint's line, of some
 * endpoints a second.
 */

#include "outhook/base/error.h"

#include <stdatomic.h>
#include <stdint.h>

struct database;

struct vitals {
    atomic_int_fast64_t pending;
    atomic_int_fast64_t oldest_at; /* wall ms at which it was inserted; 0: nothing is pending */

    /* The store's thread only: a walk over the endpoints. */
    int64_t look_at_ms;  /* mono */
    int64_t after_id;    /* endpoints up to this one have been looked at */
    int64_t oldest_seen; /* among them; 0: none */
};

/* Looks, when it is due. NULL is fine: nobody wants to know. A lock, for a moment at which the log
 * is being recovered, is no error. */
int vitals_look(struct vitals *vitals, struct database *database, int64_t now_mono_ms,
                struct error *error) must_check;

/* When (mono ms) it has to go on: CLOCK_NEVER while no walk is under way. */
int64_t vitals_due_at(const struct vitals *vitals);

#endif
