/* Connections: who may create, what is refused, how they are set up, and errors as sentences. */

#include "outhook/store/database.h"
#include "outhook/store/page_memory.h"

#include "store_world.h"

#include <sqlite3.h>
#include <sys/stat.h>

static int open_as(struct world *world, enum database_role role, struct error *error) {
    database_close(&world->daemon);
    *error = (struct error){0};
    return database_open(&world->daemon, world->path, role, 0, error);
}

static void assert_refused(struct world *world, enum database_role role, int kind,
                           const char *part) {
    struct error error;
    assert_int_equal(open_as(world, role, &error), kind);
    if (!strstr(error.text, part))
        fail_msg("%s", error.text);
    assert_null(world->daemon.handle);
}

static void is_made_group_writable_whatever_the_umask(void **state) {
    (void)state;
    struct world *world = world_new();
    struct error error;
    struct stat status;
    mode_t usual = umask(0077);
    assert_int_equal(open_as(world, DATABASE_DAEMON, &error), 0);
    umask(usual);
    assert_int_equal(stat(world->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    assert_int_equal(chmod(world->path, 0600), 0); /* an existing one is left as it is */
    assert_int_equal(open_as(world, DATABASE_DAEMON, &error), 0);
    assert_int_equal(stat(world->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    world_free(world);
}

static void a_new_one_has_what_it_can_only_get_now(void **state) {
    (void)state;
    struct world *world = world_open();
    assert_int_equal(number(world->people, "PRAGMA auto_vacuum"), 2); /* incremental */
    assert_text(world->people, "PRAGMA journal_mode", "wal");
    assert_int_equal(number(world->people, "PRAGMA application_id"), 0x6f757468);
    assert_int_equal(number(world->people, "PRAGMA user_version"), migrations_count);
    assert_int_equal(number(world->people, "PRAGMA page_size"), 4096); /* checkpoint.c counts so */
    assert_int_equal(world->daemon.migrated.before, 0);
    assert_int_equal(world->daemon.migrated.after, migrations_count);
    world_free(world);
}

static int64_t pragma(const struct world *world, const char *query) {
    return number(world->daemon.handle, query);
}

static void each_role_is_set_up(void **state) {
    (void)state;
    static const enum database_role roles[] = {DATABASE_DAEMON, DATABASE_OPERATOR, DATABASE_PERSON,
                                               DATABASE_READER};
    struct world *world = world_open();
    struct error error;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        bool daemon = roles[i] == DATABASE_DAEMON, reader = roles[i] == DATABASE_READER;
        int triggers = -1;
        assert_int_equal(open_as(world, roles[i], &error), 0);
        assert_int_equal(pragma(world, "PRAGMA wal_autocheckpoint"), 0); /* the daemon's alone */
        assert_int_equal(pragma(world, "PRAGMA busy_timeout"), daemon ? 0 : 10000);
        assert_int_equal(pragma(world, "PRAGMA synchronous"), daemon ? 1 : 2);
        assert_int_equal(pragma(world, "PRAGMA query_only"), reader);
        sqlite3_db_config(world->daemon.handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &triggers);
        assert_int_equal(triggers, !daemon);
    }
    world_free(world);
}

static void the_cache_is_bounded(void **state) {
    (void)state;
    struct world *world = world_new();
    struct error error = {0};
    assert_int_equal(database_open(&world->daemon, world->path, DATABASE_DAEMON, 8 << 20, &error),
                     0);
    assert_int_equal(pragma(world, "PRAGMA cache_size"), page_memory_pages(8 << 20));
    assert_in_range(page_memory_pages(8 << 20), 1800, 2000); /* with what is kept beside each */
    assert_in_range(page_memory_pages(64 << 10), 10, 15);
    world_free(world);
}

static void only_some_roles_create(void **state) {
    (void)state;
    struct world *world = world_new();
    assert_refused(world, DATABASE_PERSON, ERROR_FAILED, "there is no database");
    assert_refused(world, DATABASE_READER, ERROR_FAILED, "there is no database");
    assert_int_not_equal(access(world->path, F_OK), 0);
    struct error error;
    assert_int_equal(open_as(world, DATABASE_OPERATOR, &error), 0);
    assert_int_equal(open_as(world, DATABASE_PERSON, &error), 0);
    assert_int_equal(open_as(world, DATABASE_READER, &error), 0);
    assert_int_equal(sql_code(world->daemon.handle, "DELETE FROM webhooks"), SQLITE_READONLY);
    world_free(world);
}

static void what_is_no_database(void **state) {
    (void)state;
    struct world *world = world_new();
    FILE *file = fopen(world->path, "we");
    for (int i = 0; i < 2000; i++)
        fputs("this is a letter to a friend\n", file);
    fclose(file);
    assert_refused(world, DATABASE_DAEMON, ERROR_DAMAGED, "is not an SQLite database");
    assert_refused(world, DATABASE_READER, ERROR_DAMAGED, "is not an SQLite database");
    world_free(world);
}

static void errors_become_sentences(void **state) {
    (void)state;
    static const struct {
        int code, kind;
        const char *part;
    } errors[] = {
        {SQLITE_BUSY, ERROR_BUSY, "another process holds a lock"},
        {SQLITE_BUSY_RECOVERY, ERROR_BUSY, "another process holds a lock"},
        {SQLITE_LOCKED, ERROR_BUSY, "another process holds a lock"},
        {SQLITE_FULL, ERROR_FULL, "no space left"},
        {SQLITE_NOTADB, ERROR_DAMAGED, "is not an SQLite database"},
        {SQLITE_CORRUPT, ERROR_DAMAGED, "is damaged"},
        {SQLITE_READONLY, ERROR_FAILED, "no permission to write"},
        {SQLITE_IOERR, ERROR_DISK, "input/output error"},
        {SQLITE_IOERR_FSYNC, ERROR_DISK, "input/output error"},
        {SQLITE_CONSTRAINT, ERROR_USAGE, ""},
        {SQLITE_MISUSE, ERROR_FAILED, "can't try it"},
    };
    struct world *world = world_open();
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct error error = {0};
        assert_int_equal(database_error(&world->daemon, errors[i].code, "try it", &error),
                         errors[i].kind);
        assert_non_null(strstr(error.text, errors[i].part));
    }
    world_free(world);
}

static void integers(void **state) {
    (void)state;
    struct world *world = world_open();
    struct error error = {0};
    int64_t value = 7;
    assert_int_equal(database_integer(&world->daemon, "SELECT 42", &value, &error), 0);
    assert_int_equal(value, 42);
    assert_int_equal(database_integer(&world->daemon, "SELECT NULL", &value, &error), 0);
    assert_int_equal(value, 42);
    assert_int_equal(database_integer(&world->daemon, "SELECT 1 WHERE 0", &value, &error), 0);
    assert_int_equal(value, 42);
    assert_int_equal(database_integer(&world->daemon, "SELECT nonsense", &value, &error),
                     ERROR_FAILED);
    assert_non_null(strstr(error.text, "no such column: nonsense"));
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_made_group_writable_whatever_the_umask),
        cmocka_unit_test(a_new_one_has_what_it_can_only_get_now),
        cmocka_unit_test(each_role_is_set_up),
        cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(only_some_roles_create),
        cmocka_unit_test(what_is_no_database),
        cmocka_unit_test(errors_become_sentences),
        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
