#ifndef OUTHOOK_STORE_MIGRATION_H
#define OUTHOOK_STORE_MIGRATION_H

/*
 * The numbered SQL files of migrations/, embedded, and how they are applied: each in a transaction
 * of its own, under PRAGMA user_version, so that several programs may try at once and an
 * interrupted one is taken up where it stopped.
 */

#include "outhook/base/error.h"

struct database;

struct migration {
    int number;       /* 1, 2, 3 … */
    const char *name; /* the file's */
    const char *sql;
};

extern const struct migration migrations[];
extern const int migrations_count;

/* What a migration run found and did. */
struct migration_result {
    int before, after; /* user_version */
};

/* Finds out what migration_apply() would do, and refuses what it refuses. */
int migration_look(struct database *database, struct migration_result *result,
                   struct error *error) must_check;

/* Brings the database up to date. Refuses a newer database, another program's, and a file that is
 * no database. `result` may be NULL. */
int migration_apply(struct database *database, struct migration_result *result,
                    struct error *error) must_check;

/* Refuses a database that is older or newer than this program; says what to run. */
int migration_check(struct database *database, struct error *error) must_check;

#endif
