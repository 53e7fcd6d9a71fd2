/* The watch: what starts a ladder of looks, its rungs, how far apart they get, and how it learns
 * that there are commits which nobody tells of. */

#include "outhook/store/watch.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    NOW = 1000000,
    GAP_MAX = 10000000,
    BLIND_GAP_MAX = 250000,
    TOLD_WITHIN = 20000000,
    LONG_AFTER = 100000000,
};

static char directory[64];

static int make_directory(void **state) {
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/outhook-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int remove_directory(void **state) {
    static const char *const names[] = {"outhook.db", "outhook.db-wal", "other.db-wal"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(directory);
}

static void write_file(const char *name) {
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static struct watch opened(void) {
    struct watch watch;
    watch_open(&watch, path_of("outhook.db"));
    assert_true(watch.fd >= 0);
    assert_true(watch_due(&watch, NOW)); /* the first look is due at once */
    return watch;
}

static void looks_get_rarer_without_news(void **state) {
    (void)state;
    struct watch watch = opened();
    while (watch.look_at_us < NOW + LONG_AFTER)
        assert_true(watch_due(&watch, watch.look_at_us));
    for (int i = 0; i < 10; i++) {
        int64_t at = watch.look_at_us;
        assert_false(watch_due(&watch, at - 1));
        assert_true(watch_due(&watch, at));
        assert_int_equal(watch.look_at_us, at + GAP_MAX);
    }
    watch_close(&watch);
    watch_close(&watch);
}

/* Looks that follow each other closely at first, and then ever less so: a commit that becomes
 * visible so long after its event is found at most half as long after that, and 0.1 ms. */
static void a_write_starts_the_ladder(void **state) {
    (void)state;
    struct watch watch = opened();
    int64_t rung = 0, looks = 0;
    write_file("outhook.db-wal");
    watch_read(&watch, NOW);
    assert_int_equal(watch.look_at_us, NOW); /* the first one at once */
    while (watch.look_at_us - NOW < GAP_MAX) {
        rung = watch.look_at_us - NOW;
        assert_false(watch_due(&watch, NOW + rung - 1));
        assert_true(watch_due(&watch, NOW + rung));
        assert_true(watch.look_at_us > NOW + rung);
        assert_true(watch.look_at_us - NOW <= rung * 3 / 2 + 100);
        looks++;
    }
    assert_in_range(looks, 30, 60);
    watch_close(&watch);
}

/* Rungs that have passed meanwhile are one look, not many. */
static void a_late_look_skips_rungs(void **state) {
    (void)state;
    struct watch watch = opened();
    write_file("outhook.db-wal");
    watch_read(&watch, NOW);
    assert_true(watch_due(&watch, NOW + 3500));
    assert_in_range(watch.look_at_us, NOW + 3501, NOW + 7000);
    assert_true(watch_due(&watch, NOW + 300000));
    assert_int_equal(watch.look_at_us, NOW + 400000);
    watch_close(&watch);
}

static void news_start_the_ladder_anew(void **state) {
    (void)state;
    struct watch watch = opened();
    write_file("outhook.db-wal");
    watch_read(&watch, NOW);
    assert_true(watch_due(&watch, NOW + 6000));
    write_file("outhook.db-wal");
    watch_read(&watch, NOW + 7000);
    assert_true(watch_due(&watch, NOW + 7000));
    assert_in_range(watch.look_at_us, NOW + 7001, NOW + 7200);
    watch_close(&watch);
}

static void other_files_are_no_news(void **state) {
    (void)state;
    struct watch watch = opened();
    assert_true(watch_due(&watch, NOW + LONG_AFTER));
    write_file("other.db-wal");
    watch_read(&watch, NOW + LONG_AFTER + 1);
    assert_int_equal(watch.look_at_us, NOW + LONG_AFTER + GAP_MAX);
    assert_int_equal(watch.renames, 0);
    watch_close(&watch);
}

static void without_a_watch_looks_stay_close(void **state) {
    (void)state;
    struct watch watch;
    watch_open(&watch, path_of("not/there/outhook.db"));
    assert_int_equal(watch.fd, -1);
    assert_true(watch_due(&watch, NOW));
    assert_true(watch_due(&watch, NOW + LONG_AFTER));
    assert_int_equal(watch.look_at_us, NOW + LONG_AFTER + BLIND_GAP_MAX);
    assert_false(watch_found(&watch, NOW + LONG_AFTER));
    watch_close(&watch);
}

static void a_commit_that_nothing_told_of_keeps_looks_close(void **state) {
    (void)state;
    struct watch watch = opened();
    assert_false(watch_found(&watch, NOW + TOLD_WITHIN)); /* its fsync may have taken so long */
    assert_true(watch_found(&watch, NOW + TOLD_WITHIN + 1));
    assert_false(watch_found(&watch, NOW + TOLD_WITHIN + 2)); /* that is known by now */
    assert_true(watch_due(&watch, NOW + LONG_AFTER));
    assert_int_equal(watch.look_at_us, NOW + LONG_AFTER + BLIND_GAP_MAX);
    watch_close(&watch);
}

/* An event that is there, and was not read yet, has told of it. */
static void an_unread_event_tells_of_a_commit(void **state) {
    (void)state;
    struct watch watch = opened();
    write_file("outhook.db-wal");
    assert_false(watch_found(&watch, NOW + LONG_AFTER));
    assert_false(watch.blind);
    watch_close(&watch);
}

/* Others' checkpoints change what data_version gives, and may write nothing but the database. */
static void a_write_to_the_database_itself_is_an_event_too(void **state) {
    (void)state;
    struct watch watch = opened();
    write_file("outhook.db");
    watch_read(&watch, NOW + LONG_AFTER);
    assert_int_equal(watch.look_at_us, NOW + LONG_AFTER);
    assert_true(watch.database_writes > 0);
    assert_int_equal(watch.log_writes, 0);
    assert_false(watch_found(&watch, NOW + LONG_AFTER));
    watch_close(&watch);
}

/* Whoever only reads closes the log, too. */
static void a_close_is_no_write_to_the_log(void **state) {
    (void)state;
    struct watch watch = opened();
    write_file("outhook.db-wal");
    watch_read(&watch, NOW);
    int64_t before = watch.log_writes;
    assert_true(before > 0);
    close(open(path_of("outhook.db-wal"), O_RDWR | O_CLOEXEC));
    watch_read(&watch, NOW + 1);
    assert_int_equal(watch.log_writes, before);
    assert_int_equal(watch.event_at_us, NOW + 1);
    watch_close(&watch);
}

static void what_moves_is_seen(void **state) {
    (void)state;
    char elsewhere[128];
    struct watch watch = opened();
    write_file("outhook.db-wal");
    watch_read(&watch, NOW);
    int64_t before = watch.renames;
    snprintf(elsewhere, sizeof elsewhere, "%s", path_of("other.db-wal"));
    assert_int_equal(rename(path_of("outhook.db-wal"), elsewhere), 0);
    watch_read(&watch, NOW);
    assert_true(watch.renames > before);
    before = watch.renames;
    snprintf(elsewhere, sizeof elsewhere, "%s-moved", directory);
    assert_int_equal(rename(directory, elsewhere), 0);
    watch_read(&watch, NOW);
    assert_true(watch.renames > before);
    assert_int_equal(rename(elsewhere, directory), 0);
    watch_close(&watch);
}

static void a_path_without_a_directory_is_here(void **state) {
    (void)state;
    char usual[PATH_MAX];
    struct watch watch;
    assert_non_null(getcwd(usual, sizeof usual));
    assert_int_equal(chdir(directory), 0);
    watch_open(&watch, "outhook.db");
    assert_true(watch_due(&watch, NOW));
    write_file("outhook.db-wal");
    watch_read(&watch, NOW);
    assert_int_equal(watch.look_at_us, NOW);
    watch_close(&watch);
    assert_int_equal(chdir(usual), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_get_rarer_without_news),
        cmocka_unit_test(a_write_starts_the_ladder),
        cmocka_unit_test(a_late_look_skips_rungs),
        cmocka_unit_test(news_start_the_ladder_anew),
        cmocka_unit_test(other_files_are_no_news),
        cmocka_unit_test(without_a_watch_looks_stay_close),
        cmocka_unit_test(a_commit_that_nothing_told_of_keeps_looks_close),
        cmocka_unit_test(an_unread_event_tells_of_a_commit),
        cmocka_unit_test(a_write_to_the_database_itself_is_an_event_too),
        cmocka_unit_test(a_close_is_no_write_to_the_log),
        cmocka_unit_test(what_moves_is_seen),
        cmocka_unit_test(a_path_without_a_directory_is_here),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
