#ifndef OUTHOOK_STORE_SAFETY_COPY_H
#define OUTHOOK_STORE_SAFETY_COPY_H

/*
 * The copy of the database that is made before a migration, so that one can go back to the older
 * version. It lies beside the database, as outhook.db.schema-1.backup, where 1 is the schema version
 * it has; of such copies the two newest are kept.
 */

#include "outhook/base/error.h"

#include <stdbool.h>

struct database;

/* The copy's path; freed with free(). `version` is the schema's. */
char *safety_copy_path(const struct database *database, int version);

/* Copies an open database that has that schema version, and removes older copies. When another
 * process has migrated it meanwhile, there is nothing left to keep, and nothing is. Refuses with
 * ERROR_FULL before anything is written when there is no room. `go_on` (may be NULL) is called now
 * and then; false gives up, with ERROR_STOPPED. */
int safety_copy_make(struct database *database, int version, bool (*go_on)(void *context),
                     void *context, struct error *error) must_check;

#endif
