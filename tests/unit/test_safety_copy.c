/* The copy before a migration: how many are kept, and what is none. */

#include "outhook/store/safety_copy.h"

#include "store_world.h"

#include <sys/stat.h>

static void set_version(struct world *world, int version) {
    sql(world->people, "PRAGMA user_version = %d", version);
}

static void copy(struct world *world, int version) {
    struct error error = {0};
    if (safety_copy_make(&world->daemon, version, NULL, NULL, &error))
        fail_msg("%s", error.text);
}

static bool is_there(struct world *world, int version) {
    struct stat status;
    char *path = safety_copy_path(&world->daemon, version);
    bool there = stat(path, &status) == 0;
    if (there)
        assert_int_equal(status.st_mode & 0777, 0600);
    free(path);
    return there;
}

/* Everything in the directory but the database and its two companions. */
static int count_others(const struct world *world) {
    DIR *directory = opendir(world->directory);
    int count = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strchr(entry->d_name, '.') > entry->d_name &&
                 strcmp(entry->d_name, "outhook.db") != 0 && !strstr(entry->d_name, ".db-");
    closedir(directory);
    return count;
}

static void test_the_two_newest_are_kept(void **state) {
    struct world *world = world_open();
    (void)state;
    for (int version = 3; version <= 9; version += 2) {
        set_version(world, version);
        copy(world, version);
    }
    assert_true(is_there(world, 9) && is_there(world, 7));
    assert_false(is_there(world, 5) || is_there(world, 3));
    assert_int_equal(count_others(world), 2);
    world_free(world);
}

static void test_the_copy_has_what_was_there(void **state) {
    struct world *world = world_open();
    (void)state;
    add_endpoint(world, "billing");
    add_webhook(world, "billing", "before");
    set_version(world, 4);
    copy(world, 4);
    add_webhook(world, "billing", "after");
    copy(world, 4); /* tried again: the newer one counts */

    sqlite3 *handle;
    char *path = safety_copy_path(&world->daemon, 4);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(number(handle, "SELECT count(*) FROM deliveries WHERE status = 'pending'"), 2);
    assert_text(handle, "PRAGMA integrity_check", "ok");
    sqlite3_close(handle);
    free(path);
    world_free(world);
}

static void test_what_another_process_has_migrated_is_not_kept(void **state) {
    struct world *world = world_open();
    (void)state;
    set_version(world, 4);
    copy(world, 4);
    set_version(world, 5);
    copy(world, 4);
    sqlite3 *handle;
    char *path = safety_copy_path(&world->daemon, 4);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(number(handle, "PRAGMA user_version"), 4);
    sqlite3_close(handle);
    free(path);
    assert_int_equal(count_others(world), 1);
    world_free(world);
}

static bool no_more(void *context) {
    ++*(int *)context;
    return false;
}

static void test_it_can_be_given_up(void **state) {
    struct world *world = world_open();
    struct error error = {0};
    int asked = 0;
    (void)state;
    add_endpoint(world, "billing");
    for (int i = 0; i < 300; i++) { /* more pages than are copied at a time */
        char payload[4001];
        memset(payload, 'x', sizeof payload - 1);
        payload[sizeof payload - 1] = '\0';
        add_webhook(world, "billing", payload);
    }
    set_version(world, 4);
    assert_int_equal(safety_copy_make(&world->daemon, 4, no_more, &asked, &error), ERROR_STOPPED);
    assert_int_equal(asked, 1);
    assert_int_equal(count_others(world), 0);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_two_newest_are_kept),
        cmocka_unit_test(test_the_copy_has_what_was_there),
        cmocka_unit_test(test_what_another_process_has_migrated_is_not_kept),
        cmocka_unit_test(test_it_can_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
