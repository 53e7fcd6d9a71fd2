#include "outhook/store/endpoint_names.h"

#include "outhook/base/memory.h"
#include "outhook/base/name.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdlib.h>

/* A range of the index instead of a GLOB, in which a prefix would have to be escaped. U+10FFFF is
 * the last character that there is. */
#define NAMES_FROM(column, index_condition)                                                        \
    "SELECT * FROM (SELECT " column " FROM endpoints WHERE " index_condition " AND " column        \
    " >= ?1 AND " column " < ?1 || char(0x10ffff) ORDER BY " column " LIMIT ?2)"
static const char sql_names[] =
    NAMES_FROM("name", "name IS NOT NULL") " UNION ALL " NAMES_FROM("url", "name IS NULL");

int endpoint_names_read(struct database *database, const char *prefix, int64_t limit,
                        struct endpoint_names *names, struct error *error) {
    *names = (struct endpoint_names){0};
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, sql_names, error);
    if (r)
        return r;
    database_bind_text(statement, 1, prefix);
    sqlite3_bind_int64(statement, 2, limit);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        names->items = memory_resize(names->items, names->count + 1, sizeof *names->items);
        names->items[names->count++] = database_text(statement, 0);
    }
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the endpoints", error);
    sqlite3_finalize(statement);
    if (r)
        endpoint_names_free(names);
    return r;
}

void endpoint_names_free(struct endpoint_names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct endpoint_names){0};
}

int endpoint_name_refuse(struct database *database, const char *name, struct error *error) {
    char *nearest = NULL;
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement,
                             "SELECT name FROM endpoints WHERE name IS NOT NULL", error);
    if (r)
        return r;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *candidate = (const char *)sqlite3_column_text(statement, 0);
        if (name_is_near(name, candidate) &&
            (!nearest || name_distance(name, candidate) < name_distance(name, nearest))) {
            free(nearest);
            nearest = memory_copy_string(candidate);
        }
    }
    sqlite3_finalize(statement);
    r = nearest
            ? error_set(error, ERROR_FAILED, "there is no endpoint %.200s; did you mean %s?", name,
                        nearest)
            : error_set(error, ERROR_FAILED,
                        "there is no endpoint %.200s: outhook endpoint list shows them all", name);
    free(nearest);
    return r;
}
