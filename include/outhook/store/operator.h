#ifndef OUTHOOK_STORE_OPERATOR_H
#define OUTHOOK_STORE_OPERATOR_H

/*
 * What an operator does to many deliveries at once: replay, cancel, hold, release, purge. It is
 * what a person may do in SQL, with the same triggers, but in slices: a transaction ends after a
 * few milliseconds, so that neither the daemon nor a producer waits long for the lock.
 *
 * How long a slice may work is measured, not guessed: it works for OPERATOR_HOLD_US less what the
 * last commits took, looks at the clock after each row, and then leaves the lock alone for as long
 * as it held it. Nothing is synced to the disk under the lock: that is done once, at the end, before
 * it is said to be done.
 */

#include "outhook/base/error.h"
#include "outhook/store/selection.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

enum { OPERATOR_HOLD_US = 10000 }; /* how long a slice means to hold the write lock */

enum operator_act {
    OPERATOR_REPLAY, /* finished ones become pending */
    OPERATOR_CANCEL,
    OPERATOR_HOLD,    /* pending ones wait until they are released */
    OPERATOR_RELEASE, /* those become due again when they were before */
    OPERATOR_PURGE,   /* finished ones are deleted with their attempts; and their webhooks when
                       * these have no other delivery */
};

struct operator_change {
    enum operator_act act;
    double rate;    /* of a replay: so many a second become due, from due_at on; 0: all at once */
    int64_t due_at; /* of a replay: wall ms; 0: now */
};

struct operator_result {
    int64_t selected; /* deliveries that were to be changed, counted at the start */
    int64_t changed;
    int64_t refused;      /* by a trigger */
    struct error refusal; /* the first such trigger's sentence */
    bool stopped;         /* before the end: because `report` said so, or the queue is full */
    int64_t next_due_at;  /* with a rate: when the next one would have become due */
    int64_t longest_us;   /* that the write lock was held */
};

/* Told after each slice how far it got. Returns false to stop there. */
typedef bool operator_report(const struct operator_result *result, void *context);

/* The statuses that an act may find. */
unsigned operator_statuses(enum operator_act act);

/* Counts what operator_change_all() would change. */
int operator_count(struct database *database, const struct selection *selection,
                   enum operator_act act, int64_t *count, struct error *error) must_check;

/* Changes every delivery of the selection that exists when it begins, each at most once, oldest
 * first. What is refused is counted, and stops nothing, but for a full queue. `result` holds what
 * was done, also after an error: the slices before it stay. While no daemon runs to do so, it also
 * keeps the write-ahead log short. */
int operator_change_all(struct database *database, const struct selection *selection,
                        const struct operator_change *change, struct operator_result *result,
                        operator_report *report, void *context, struct error *error) must_check;

/* What an operator may want to know of one delivery that an act doesn't fit. */
struct operator_state {
    char *status; /* freed with free(); NULL: there is no such delivery */
    bool held;
};

int operator_state_read(struct database *database, int64_t delivery_id,
                        struct operator_state *state, struct error *error) must_check;

#endif
