#ifndef OUTHOOK_STORE_UNROUTED_H
#define OUTHOOK_STORE_UNROUTED_H

/*
 * Webhooks that went nowhere: no endpoint subscribed to their type when they were inserted, or
 * their deliveries have been deleted. One thread; `database` is open as DATABASE_PERSON.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

/* Counts those that were created before a time, wall ms. */
int unrouted_count(struct database *database, int64_t created_before, int64_t *count,
                   struct error *error) must_check;

/* Called after each slice; false ends it. */
typedef bool unrouted_report(int64_t deleted, void *context);

/* Deletes them in slices of a few milliseconds, each followed by a rest as long. *deleted is right
 * after an error, too. */
int unrouted_purge(struct database *database, int64_t created_before, int64_t *deleted,
                   unrouted_report *report, void *context, struct error *error) must_check;

#endif
