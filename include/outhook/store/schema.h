#ifndef OUTHOOK_STORE_SCHEMA_H
#define OUTHOOK_STORE_SCHEMA_H

/*
 * Whether the schema is still what the migrations make of it. Whoever may enqueue may also edit it,
 * and a trigger that was dropped says nothing: webhooks without their deliveries go nowhere.
 */

#include "outhook/base/error.h"

#include <stdint.h>

struct database;

enum schema_difference { SCHEMA_MISSING, SCHEMA_CHANGED, SCHEMA_ADDED };

/* Takes a difference: of a table, index, trigger or view (`type`) of that name. Lent. */
typedef void schema_find(void *context, enum schema_difference difference, const char *type,
                         const char *name);

/* Tells each difference between this database's schema, which has this program's version, and the
 * one that its migrations make. */
int schema_compare(struct database *database, schema_find *find, void *context,
                   struct error *error) must_check;

/* Makes triggers, views and indexes anew that are missing or were changed; *count becomes how many.
 * Tables are left alone, and so is what was added. */
int schema_repair(struct database *database, int *count, struct error *error) must_check;

/* Looks now and then whether the schema was edited, and logs it. Starts as {0}. */
struct schema_watch {
    int64_t look_at_ms; /* mono */
    int64_t version;    /* of the schema, when last looked at; 0: never */
    int differences;    /* there were then */
};

/* Looks, if it is time to. Never fails for what it finds. */
int schema_watch_check(struct schema_watch *watch, struct database *database, int64_t now_mono_ms,
                       struct error *error) must_check;

#endif
