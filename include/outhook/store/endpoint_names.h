#ifndef OUTHOOK_STORE_ENDPOINT_NAMES_H
#define OUTHOOK_STORE_ENDPOINT_NAMES_H

/*
 * What people call endpoints: their names; and the URLs of those that have none.
 */

#include "outhook/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct database;

struct endpoint_names {
    char **items; /* in the order of their bytes */
    size_t count;
};

/* Reads up to `limit` names that begin with `prefix`, and as many such URLs. Freed with
 * endpoint_names_free(). */
int endpoint_names_read(struct database *database, const char *prefix, int64_t limit,
                        struct endpoint_names *names, struct error *error) must_check;

void endpoint_names_free(struct endpoint_names *names);

/* Says that there is no endpoint of that name, and which one may have been meant. Returns
 * ERROR_FAILED, or what reading failed with. */
int endpoint_name_refuse(struct database *database, const char *name,
                         struct error *error) must_check;

#endif
