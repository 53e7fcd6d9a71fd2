#ifndef OUTHOOK_DELIVERY_ORIGIN_H
#define OUTHOOK_DELIVERY_ORIGIN_H

/*
 * An origin: scheme, host and port (RFC 6454). Endpoints that share one share its fate: when
 * several of them fall silent and nobody there answers, the host is down, and none of the others
 * need find that out by itself; and all of them together may take so many calls at once.
 *
 * The breaker of an origin opens on silence only (no connection, or no answer in time) and any
 * answer closes it, for a host that answers is up, whatever it says. One thread.
 */

#include "outhook/base/heap.h"
#include "outhook/base/list.h"
#include "outhook/delivery/breaker.h"
#include "outhook/delivery/outcome.h"

#include <stdbool.h>
#include <stdint.h>

enum { ORIGIN_SILENT_LANES = 3 }; /* different endpoints, in a row, that open it */

struct origin {
    int64_t id; /* a hash of scheme, host and port */
    int n_lanes, n_flying;
    int n_claims; /* lanes that are ready or load what they will send: each keeps room for a call */
    struct breaker breaker;
    int64_t silent_lanes[ORIGIN_SILENT_LANES]; /* their endpoints' ids, since the last answer */
    int n_silent;

    struct list parked;    /* lanes that wait for room here */
    struct list link;      /* among the origins with parked lanes and room */
    struct heap_node node; /* among the origins with parked lanes whose breaker is open */
};

struct origin_news {
    bool opened, closed;
};

struct origin *origin_new(int64_t id);

/* Frees an origin without lanes and calls. */
void origin_free(struct origin *origin);

/* How many more calls may be sent to it now, `most` being the limit: none while its breaker is
 * open, and one at a time while it is half open. */
int origin_room(const struct origin *origin, int most, int64_t now_mono_ms);

/* Learns from the end of a call of `endpoint_id`. */
struct origin_news origin_learn(struct origin *origin, const struct breaker_policy *policy,
                                int64_t endpoint_id, const struct outcome *outcome,
                                int64_t now_mono_ms, struct random *random);

#endif
