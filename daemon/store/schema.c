#include "outhook/store/schema.h"

#include "outhook/base/memory.h"
#include "outhook/runtime/log.h"
#include "outhook/store/database.h"
#include "outhook/store/migration.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 1000, LOGGED_MAX = 5 };

/* What SQLite makes by itself (sqlite_stat1, indexes of constraints) is nobody's edit. */
static const char sql_objects[] = "SELECT type, name, sql, rowid FROM sqlite_schema"
                                  " WHERE name NOT GLOB 'sqlite_*' ORDER BY type, name";

/* One row of sqlite_schema. */
struct object {
    char *type, *name, *sql;
    int64_t rowid;
};

struct objects {
    struct object *items;
    size_t count;
};

static void objects_free(struct objects *objects) {
    for (size_t i = 0; i < objects->count; i++) {
        free(objects->items[i].type);
        free(objects->items[i].name);
        free(objects->items[i].sql);
    }
    free(objects->items);
    *objects = (struct objects){0};
}

static int objects_read(struct database *database, struct objects *objects, struct error *error) {
    sqlite3_stmt *statement;
    int code, r = database_prepare(database, &statement, sql_objects, error);
    *objects = (struct objects){0};
    if (r)
        return r;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        objects->items = memory_resize(objects->items, objects->count + 1, sizeof *objects->items);
        objects->items[objects->count++] =
            (struct object){database_text(statement, 0), database_text(statement, 1),
                            database_text(statement, 2), sqlite3_column_int64(statement, 3)};
    }
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the database's schema", error);
    sqlite3_finalize(statement);
    if (r)
        objects_free(objects);
    return r;
}

/* What the migrations make, of a database in memory. */
static int objects_expected(struct objects *objects, struct error *error) {
    struct database made = {.path = memory_copy_string(":memory:")};
    int code =
        sqlite3_open_v2(made.path, &made.handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = code ? database_error(&made, code, "make a schema", error) : 0;
    for (int i = 0; !r && i < migrations_count; i++)
        r = database_run(&made, migrations[i].sql, error);
    if (!r)
        r = objects_read(&made, objects, error);
    database_close(&made);
    return r;
}

static int object_order(const struct object *a, const struct object *b) {
    int by_type = strcmp(a->type, b->type);
    return by_type ? by_type : strcmp(a->name, b->name);
}

static bool object_same(const struct object *a, const struct object *b) {
    return !a->sql || !b->sql ? a->sql == b->sql : !strcmp(a->sql, b->sql);
}

/* Both are in order. */
static void objects_compare(const struct objects *wanted, const struct objects *found,
                            void (*find)(void *context, enum schema_difference difference,
                                         const struct object *object),
                            void *context) {
    size_t w = 0, f = 0;
    while (w < wanted->count || f < found->count) {
        int order = w == wanted->count  ? 1
                    : f == found->count ? -1
                                        : object_order(&wanted->items[w], &found->items[f]);
        if (order < 0)
            find(context, SCHEMA_MISSING, &wanted->items[w]);
        else if (order > 0)
            find(context, SCHEMA_ADDED, &found->items[f]);
        else if (!object_same(&wanted->items[w], &found->items[f]))
            find(context, SCHEMA_CHANGED, &wanted->items[w]);
        w += order <= 0;
        f += order >= 0;
    }
}

static int schema_read_both(struct database *database, struct objects *wanted,
                            struct objects *found, struct error *error) {
    int r = objects_expected(wanted, error);
    if (!r && (r = objects_read(database, found, error)))
        objects_free(wanted);
    return r;
}

/* ---- telling --------------------------------------------------------------------------------- */

struct telling {
    schema_find *find;
    void *context;
};

static void tell(void *context, enum schema_difference difference, const struct object *object) {
    const struct telling *telling = context;
    telling->find(telling->context, difference, object->type, object->name);
}

int schema_compare(struct database *database, schema_find *find, void *context,
                   struct error *error) {
    struct objects wanted, found;
    struct telling telling = {find, context};
    int r = schema_read_both(database, &wanted, &found, error);
    if (r)
        return r;
    objects_compare(&wanted, &found, tell, &telling);
    objects_free(&wanted);
    objects_free(&found);
    return 0;
}

/* ---- repairing ------------------------------------------------------------------------------- */

struct repair {
    struct database *database;
    int count, r;
    bool triggers;
    struct error *error;
};

static void repair_make(struct repair *repair, const struct object *object) {
    char *sql =
        memory_print("DROP %s IF EXISTS \"%s\"; %s", object->type, object->name, object->sql);
    if (!repair->r)
        repair->r = database_run(repair->database, sql, repair->error);
    free(sql);
}

static void repair_one(void *context, enum schema_difference difference,
                       const struct object *object) {
    struct repair *repair = context;
    if (difference == SCHEMA_ADDED || !strcmp(object->type, "table"))
        return;
    repair->count++;
    if (!strcmp(object->type, "trigger"))
        repair->triggers = true;
    else
        repair_make(repair, object);
}

static int compare_rowids(const void *a, const void *b) {
    const struct object *x = a, *y = b;
    return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

/* All of them, as those of one event run in an order that follows from the one of their making. */
static void repair_triggers(struct repair *repair, struct objects *wanted) {
    qsort(wanted->items, wanted->count, sizeof *wanted->items, compare_rowids);
    for (size_t i = 0; i < wanted->count; i++)
        if (!strcmp(wanted->items[i].type, "trigger"))
            repair_make(repair, &wanted->items[i]);
}

int schema_repair(struct database *database, int *count, struct error *error) {
    struct objects wanted, found;
    struct repair repair = {.database = database, .error = error};
    *count = 0;
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (!r)
        r = schema_read_both(database, &wanted, &found, error);
    if (!r) {
        objects_compare(&wanted, &found, repair_one, &repair);
        if (repair.triggers)
            repair_triggers(&repair, &wanted);
        objects_free(&wanted);
        objects_free(&found);
        r = repair.r ? repair.r : database_run(database, "COMMIT", error);
    }
    if (r)
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    else
        *count = repair.count;
    return r;
}

/* ---- watching -------------------------------------------------------------------------------- */

static void watch_find(void *context, enum schema_difference difference, const char *type,
                       const char *name) {
    struct schema_watch *watch = context;
    if (difference == SCHEMA_ADDED || watch->differences++ >= LOGGED_MAX)
        return;
    log_line(LEVEL_ERROR,
             "the database's schema was edited: the %s %s %s; without it webhooks may be lost or "
             "sent wrongly; %s",
             type, name, difference == SCHEMA_MISSING ? "is missing" : "is not outhook's own",
             strcmp(type, "table") ? "outhook migrate --repair makes it anew"
                                   : "undo that, or restore a backup");
}

int schema_watch_check(struct schema_watch *watch, struct database *database, int64_t now_mono_ms,
                       struct error *error) {
    int64_t version = 0;
    if (now_mono_ms < watch->look_at_ms)
        return 0;
    watch->look_at_ms = now_mono_ms + LOOK_EVERY_MS;
    int r = database_integer(database, "PRAGMA schema_version", &version, error);
    if (r || version == watch->version)
        return r == ERROR_BUSY ? 0 : r;

    int before = watch->differences;
    watch->differences = 0;
    r = schema_compare(database, watch_find, watch, error);
    if (r)
        return r == ERROR_BUSY ? 0 : r;
    watch->version = version;
    if (before && !watch->differences)
        log_line(LEVEL_INFO, "the database's schema is outhook's own again");
    return 0;
}
