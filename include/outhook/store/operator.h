#ifndef OUTHOOK_STORE_OPERATOR_H
#define OUTHOOK_STORE_OPERATOR_H

/*
 * What an operator does to many deliveries at once: replay and cancel. It is the UPDATE of the
 * status that a person may do in SQL, with the same triggers, but in slices: a transaction is a few
 * hundred rows, so that neither the daemon nor a producer waits long for the lock.
 */

#include "outhook/base/error.h"
#include "outhook/store/selection.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

/* From which statuses to which one. */
struct operator_change {
    unsigned from;  /* enum selection_status bits: others among the selection are left alone */
    const char *to; /* "pending" or "cancelled" */
};

struct operator_result {
    int64_t selected; /* deliveries that were to be changed, counted at the start */
    int64_t changed;
    int64_t refused;      /* by a trigger */
    struct error refusal; /* the first such trigger's sentence */
    bool stopped;         /* before the end: because `report` said so, or the queue is full */
};

/* Told after each slice how far it got. Returns false to stop there. */
typedef bool operator_report(const struct operator_result *result, void *context);

/* Counts what operator_change_all() would change. */
int operator_count(struct database *database, const struct selection *selection,
                   const struct operator_change *change, int64_t *count,
                   struct error *error) must_check;

/* Changes every delivery of the selection that exists when it begins, each at most once. What is
 * refused is counted, and stops nothing, but for a full queue. `result` holds what was done, also
 * after an error: the slices before it stay. */
int operator_change_all(struct database *database, const struct selection *selection,
                        const struct operator_change *change, struct operator_result *result,
                        operator_report *report, void *context, struct error *error) must_check;

/* The status of one delivery, copied to `status` (freed with free()); NULL when there is none. */
int operator_status(struct database *database, int64_t delivery_id, char **status,
                    struct error *error) must_check;

#endif
