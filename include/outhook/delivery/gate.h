#ifndef OUTHOOK_DELIVERY_GATE_H
#define OUTHOOK_DELIVERY_GATE_H

/*
 * What holds up a lane that has something to send, for people to see. Pure.
 */

#include "outhook/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct lane;
struct lane_policy;

/* X(NAME, word in endpoint_gates.gate) */
#define GATES(X)                                                                                   \
    X(NONE, "none")               /* nothing does */                                               \
    X(BREAKER, "breaker")         /* it failed too often in a row; until a time */                 \
    X(RETRY_AFTER, "retry_after") /* the receiver asked for quiet; until a time */                 \
    X(ORDER, "order")             /* ordered: the first row waits to be tried again; until … */  \
    X(RATE, "rate")               /* its rate_limit */                                             \
    X(CONCURRENCY, "concurrency") /* all the calls that it may have are under way */               \
    X(OVERDUE, "overdue")         /* it may have more, but owes an answer for too long */          \
    X(UNPROVEN, "unproven")       /* it has yet to answer, and waits for a slot of those who do */ \
    X(SEALED, "sealed")           /* its secret can't be opened, so it can't be signed for */      \
    X(KEYLESS, "no valid secret") /* it is to be signed for, and all its secrets have expired */   \
    X(ORIGIN, "origin")           /* its host is silent to several; until a time */                \
    X(CROWDED, "crowded")         /* its host has as many calls as it may have */

enum gate_kind {
#define GATE_ENUM(name, word) GATE_##name,
    GATES(GATE_ENUM)
#undef GATE_ENUM
};

struct gate {
    enum gate_kind kind;
    int64_t until_at; /* wall ms; 0: when something happens */
    int in_flight, limit;
};

/* A lane's gate has changed. */
struct gate_change {
    int64_t endpoint_id;
    struct gate gate;
};

/* The gate's word. */
const char *gate_name(enum gate_kind kind);

/* What holds the lane up now. That an endpoint is disabled stands in its row, and counts as none.
 */
struct gate gate_of_lane(const struct lane *lane, const struct lane_policy *policy, struct now now);

/* Whether people would see a difference: the kind, the limit, or the time by a second or more. */
bool gate_differs(const struct gate *a, const struct gate *b);

#endif
