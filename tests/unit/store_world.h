#ifndef OUTHOOK_TESTS_STORE_WORLD_H
#define OUTHOOK_TESTS_STORE_WORLD_H

/*
 * A database of outhook's in a directory of its own, with the daemon's connection and one that
 * writes as people do: the stock settings of SQLite, triggers on, no busy timeout.
 */

#include "outhook/store/database.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char directory[64], path[96];
    struct database daemon; /* closed when a test opens it itself */
    sqlite3 *people;
};

/* ---- statements ------------------------------------------------------------------------------ */

/* Runs statements; returns SQLite's code. */
static inline int sql_try(sqlite3 *handle, const char *format, va_list arguments) {
    char *sql = sqlite3_vmprintf(format, arguments);
    assert_non_null(sql);
    int code = sqlite3_exec(handle, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return code;
}

static inline void sql(sqlite3 *handle, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int code = sql_try(handle, format, arguments);
    va_end(arguments);
    if (code)
        fail_msg("%s: %s", format, sqlite3_errmsg(handle));
}

static inline int sql_code(sqlite3 *handle, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int code = sql_try(handle, format, arguments);
    va_end(arguments);
    return code;
}

/* The first column of the first row; -1 for NULL, -2 for no row. */
static inline int64_t number(sqlite3 *handle, const char *query) {
    sqlite3_stmt *statement;
    int64_t value = -2;
    if (sqlite3_prepare_v2(handle, query, -1, &statement, NULL))
        fail_msg("%s: %s", query, sqlite3_errmsg(handle));
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_type(statement, 0) == SQLITE_NULL
                    ? -1
                    : sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static inline void assert_text(sqlite3 *handle, const char *query, const char *expected) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(handle, query, -1, &statement, NULL))
        fail_msg("%s: %s", query, sqlite3_errmsg(handle));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (expected)
        assert_string_equal(text ? text : "(null)", expected);
    else
        assert_null(text);
    sqlite3_finalize(statement);
}

/* ---- what people insert ---------------------------------------------------------------------- */

static inline int64_t add_endpoint(struct world *world, const char *name) {
    sql(world->people, "INSERT INTO endpoints (name, url) VALUES (%Q, 'https://%s.example/')", name,
        name);
    return sqlite3_last_insert_rowid(world->people);
}

/* Inserts a webhook for an endpoint; returns the delivery's id. */
static inline int64_t add_webhook(struct world *world, const char *endpoint, const char *payload) {
    sql(world->people, "INSERT INTO webhooks (endpoint, type, payload) VALUES (%Q, 'a.b', %Q)",
        endpoint, payload);
    return number(world->people, "SELECT max(id) FROM deliveries");
}

/* ---- life ------------------------------------------------------------------------------------ */

static inline struct world *world_new(void) {
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    snprintf(world->directory, sizeof world->directory, "/tmp/outhook-test-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->path, sizeof world->path, "%s/outhook.db", world->directory);
    return world;
}

static inline void world_open_people(struct world *world) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX;
    assert_int_equal(sqlite3_open_v2(world->path, &world->people, flags, NULL), SQLITE_OK);
}

/* With both connections. */
static inline struct world *world_open(void) {
    struct world *world = world_new();
    struct error error = {0};
    if (database_open(&world->daemon, world->path, DATABASE_DAEMON, 0, &error))
        fail_msg("%s", error.text);
    world_open_people(world);
    return world;
}

static inline void world_free(struct world *world) {
    assert_int_equal(sqlite3_close(world->people), SQLITE_OK);
    database_close(&world->daemon);
    DIR *directory = opendir(world->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", world->directory, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(directory);
    assert_int_equal(rmdir(world->directory), 0);
    free(world);
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* Appends a statement's query plan to `text`. */
static inline void plan_append(sqlite3 *handle, const char *query, char *text, size_t size) {
    sqlite3_stmt *plan;
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", query);
    assert_int_equal(sqlite3_prepare_v2(handle, explain, -1, &plan, NULL), SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        size_t length = strlen(text);
        snprintf(text + length, size - length, "%s\n", sqlite3_column_text(plan, 3));
    }
    sqlite3_finalize(plan);
    sqlite3_free(explain);
}

/* The plan of the statement, among those that are prepared on a connection, that contains `part`.
 */
static inline void assert_plan(sqlite3 *handle, const char *part, const char *expected) {
    sqlite3_stmt *statement = NULL;
    char text[2000] = "";
    int found = 0;
    while ((statement = sqlite3_next_stmt(handle, statement)))
        if (strstr(sqlite3_sql(statement), part)) {
            found++;
            plan_append(handle, sqlite3_sql(statement), text, sizeof text);
        }
    assert_int_equal(found, 1);
    assert_string_equal(text, expected);
}

#endif
