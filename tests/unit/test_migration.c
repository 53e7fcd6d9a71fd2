/* Migrations: in order, each as a whole, by several at once, and what is refused. */

#include "outhook/store/migration.h"

#include "store_world.h"

#include <sqlite3.h>
#include <sys/wait.h>

enum { PROCESSES = 7, HOLD_US = 200000 };

/* A bare connection, without what database_open() does. */
static void world_open_bare(struct world *world) {
    assert_int_equal(sqlite3_open(world->path, &world->people), SQLITE_OK);
}

static struct world *world_bare(void) {
    struct world *world = world_new();
    world_open_bare(world);
    return world;
}

static int apply(struct world *world, struct migration_result *result, struct error *error) {
    struct database bare = {.handle = world->people, .path = world->path};
    *error = (struct error){0};
    return migration_apply(&bare, result, error);
}

static int check(struct world *world, struct error *error) {
    struct database bare = {.handle = world->people, .path = world->path};
    *error = (struct error){0};
    return migration_check(&bare, error);
}

static void set_version(struct world *world, int version) {
    sql(world->people, "PRAGMA user_version = %d", version);
}

static void numbered_without_a_gap(void **state) {
    (void)state;
    assert_true(migrations_count >= 1);
    for (int i = 0; i < migrations_count; i++) {
        assert_int_equal(migrations[i].number, i + 1);
        assert_int_equal(strtol(migrations[i].name, NULL, 10), i + 1);
        assert_non_null(migrations[i].sql);
    }
}

static void brings_an_empty_file_up_to_date(void **state) {
    (void)state;
    struct world *world = world_bare();
    struct migration_result result;
    struct error error;
    assert_int_equal(apply(world, &result, &error), 0);
    assert_int_equal(result.before, 0);
    assert_int_equal(result.after, migrations_count);
    assert_int_equal(number(world->people, "PRAGMA user_version"), migrations_count);
    assert_int_equal(check(world, &error), 0);
    assert_int_equal(apply(world, &result, &error), 0); /* again: nothing to do */
    assert_int_equal(result.before, migrations_count);
    assert_int_equal(apply(world, NULL, &error), 0);
    world_free(world);
}

static void takes_up_where_it_was_interrupted(void **state) {
    (void)state;
    struct world *world = world_bare();
    struct migration_result result;
    struct error error;
    sql(world->people, "BEGIN");
    assert_int_equal(sqlite3_exec(world->people, migrations[0].sql, NULL, NULL, NULL), SQLITE_OK);
    set_version(world, 1);
    sql(world->people, "COMMIT");
    if (migrations_count > 1) {
        assert_int_equal(check(world, &error), ERROR_FAILED);
        assert_non_null(strstr(error.text, "older than this program's"));
    }
    assert_int_equal(apply(world, &result, &error), 0);
    assert_int_equal(result.before, 1);
    assert_int_equal(check(world, &error), 0);
    world_free(world);
}

/* What can't be done as a whole leaves nothing, not even its number. */
static void a_failing_one_leaves_nothing(void **state) {
    (void)state;
    struct world *world = world_bare();
    struct error error;
    sql(world->people, "PRAGMA application_id = %d; CREATE TABLE attempts (in_the_way)",
        0x6f757468);
    assert_int_not_equal(apply(world, NULL, &error), 0);
    assert_non_null(strstr(error.text, "attempts already exists"));
    assert_int_equal(number(world->people, "PRAGMA user_version"), 0);
    assert_int_equal(number(world->people, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(sqlite3_get_autocommit(world->people), 1);
    world_free(world);
}

static void a_newer_one_is_refused(void **state) {
    (void)state;
    struct world *world = world_bare();
    struct error error;
    assert_int_equal(apply(world, NULL, &error), 0);
    set_version(world, migrations_count + 1);
    assert_int_equal(apply(world, NULL, &error), ERROR_DAMAGED);
    assert_non_null(strstr(error.text, "newer than this program's"));
    assert_int_equal(check(world, &error), ERROR_DAMAGED);
    assert_non_null(strstr(error.text, "newer than this program's"));
    assert_int_equal(number(world->people, "PRAGMA user_version"), migrations_count + 1);
    world_free(world);
}

static void another_programs_is_refused_and_untouched(void **state) {
    static const char *const theirs[] = {"CREATE TABLE x (y)", "PRAGMA user_version = 1",
                                         "PRAGMA application_id = 7"};
    (void)state;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        struct world *world = world_bare();
        struct error error;
        sql(world->people, "%s", theirs[i]);
        int64_t objects = number(world->people, "SELECT count(*) FROM sqlite_schema");
        assert_int_equal(apply(world, NULL, &error), ERROR_DAMAGED);
        assert_non_null(strstr(error.text, "another program's database"));
        assert_int_equal(check(world, &error), ERROR_DAMAGED);
        assert_int_equal(number(world->people, "SELECT count(*) FROM sqlite_schema"), objects);
        world_free(world);
    }
}

static pid_t migrate_in_a_child(const struct world *world) {
    pid_t child = fork();
    if (child)
        return child;
    struct database database;
    struct error error = {0};
    int r = database_open(&database, world->path, DATABASE_OPERATOR, 0, &error);
    if (r)
        fprintf(stderr, "%s\n", error.text);
    _exit(r ? 1 : 0);
}

/* A process that holds the write lock for a while, and says so. It can't be this one: SQLite's
 * connections don't survive a fork. */
static pid_t hold_lock_in_a_child(struct world *world) {
    int told[2];
    char byte;
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (!child) {
        world_open_bare(world);
        sqlite3_busy_timeout(world->people, 10000); /* the others may be reading at the COMMIT */
        sql(world->people, "BEGIN IMMEDIATE");
        bool said = write(told[1], "y", 1) == 1;
        usleep(HOLD_US); /* were it too short, the others would only meet less closely */
        sql(world->people, "COMMIT");
        _exit(!said || sqlite3_close(world->people));
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(told[0]);
    close(told[1]);
    return child;
}

/* All have seen an empty database and wait for the same lock. */
static void several_at_once(void **state) {
    (void)state;
    struct world *world = world_new();
    pid_t children[PROCESSES];
    children[0] = hold_lock_in_a_child(world);
    for (int i = 1; i < PROCESSES; i++)
        children[i] = migrate_in_a_child(world);
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    world_open_people(world);
    assert_int_equal(number(world->people, "PRAGMA user_version"), migrations_count);
    assert_int_equal(number(world->people, "SELECT count(*) FROM queue_depth"), 1);
    assert_text(world->people, "PRAGMA integrity_check", "ok");
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbered_without_a_gap),
        cmocka_unit_test(brings_an_empty_file_up_to_date),
        cmocka_unit_test(takes_up_where_it_was_interrupted),
        cmocka_unit_test(a_failing_one_leaves_nothing),
        cmocka_unit_test(a_newer_one_is_refused),
        cmocka_unit_test(another_programs_is_refused_and_untouched),
        cmocka_unit_test(several_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
