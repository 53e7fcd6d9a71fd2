#include "outhook/store/migration.h"

#include "outhook/store/database.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>

enum { OUTHOOK_APPLICATION_ID = 0x6f757468 }; /* "outh"; set by the first migration */

static int migration_refuse_newer(struct database *database, int64_t version, struct error *error) {
    return error_set(error, ERROR_DAMAGED,
                     "%s has schema version %" PRId64 ", newer than this program's %d: install the "
                     "newer outhook again",
                     database->path, version, migrations_count);
}

/* Reads whose it is, and how far, at one point in time: another process may be making it just now.
 */
static int migration_read(struct database *database, int64_t *application_id, int64_t *version,
                          int64_t *objects, struct error *error) {
    int r = database_run(database, "BEGIN", error);
    if (r)
        return r;
    r = database_integer(database, "SELECT count(*) FROM sqlite_schema", objects, error);
    if (!r)
        r = database_integer(database, "PRAGMA application_id", application_id, error);
    if (!r)
        r = database_integer(database, "PRAGMA user_version", version, error);
    sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    return r;
}

/* An empty database may become ours; one with anything in it must be ours already. */
static int migration_recognise(struct database *database, int64_t *version, struct error *error) {
    int64_t application_id = 0, objects = 0;
    int r = migration_read(database, &application_id, version, &objects, error);
    if (r)
        return r;

    if (application_id != OUTHOOK_APPLICATION_ID && (objects || *version || application_id))
        return error_set(error, ERROR_DAMAGED,
                         "%s is another program's database: name a file of outhook's own",
                         database->path);
    if (*version > migrations_count)
        return migration_refuse_newer(database, *version, error);
    return 0;
}

/* Applies one migration unless another process has done so meanwhile. */
static int migration_apply_one(struct database *database, const struct migration *migration,
                               struct error *error) {
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;

    int64_t version = 0;
    r = database_integer(database, "PRAGMA user_version", &version, error);
    if (!r && version < migration->number) {
        char set_version[64];
        snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", migration->number);
        r = database_run(database, migration->sql, error);
        if (!r)
            r = database_run(database, set_version, error);
    }
    if (!r)
        r = database_run(database, "COMMIT", error);
    if (r)
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

int migration_look(struct database *database, struct migration_result *result,
                   struct error *error) {
    int64_t version = 0;
    int r = migration_recognise(database, &version, error);
    if (!r)
        *result = (struct migration_result){(int)version, migrations_count};
    return r;
}

int migration_apply(struct database *database, struct migration_result *result,
                    struct error *error) {
    struct migration_result found;
    int r = migration_look(database, &found, error);
    if (r)
        return r;

    if (result)
        *result = found;
    for (int i = found.before; !r && i < migrations_count; i++)
        r = migration_apply_one(database, &migrations[i], error);
    return r;
}

int migration_check(struct database *database, struct error *error) {
    int64_t version = 0;
    int r = migration_recognise(database, &version, error);
    if (!r && version < migrations_count)
        return error_set(error, ERROR_FAILED,
                         "%s has schema version %" PRId64 ", older than this program's %d: run "
                         "outhook migrate --database %s",
                         database->path, version, migrations_count, database->path);
    return r;
}
