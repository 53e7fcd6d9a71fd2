/* Failures in a row: how long the next start waits, by a clock of the test's own, and the note that
 * goes from one process to the next. */

#include "outhook/store/setback.h"

#include "outhook/store/lock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECOND = 1000, DAY = 86400 * SECOND };

static const int64_t noon = 1800000000000;
static const struct error eio = {ERROR_DISK, "input/output error on /srv/outhook.db"};

/* A lock's file, with what the lock writes. */
static int lock_file(void) {
    char text[STORE_LOCK_TEXT_BYTES + 1];
    int fd = memfd_create("lock", MFD_CLOEXEC);
    assert_true(fd >= 0);
    store_lock_text(text, 3);
    assert_int_equal(write(fd, text, STORE_LOCK_TEXT_BYTES), STORE_LOCK_TEXT_BYTES);
    return fd;
}

static struct setback noted(int fd) {
    struct setback setback;
    setback_read(&setback, fd);
    return setback;
}

static void each_wait_is_longer_than_the_one_before(void **state) {
    (void)state;
    static const int64_t waits_s[] = {0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300};
    struct setback setback = {0};
    int fd = lock_file();
    for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
        assert_int_equal(setback_wait_ms(&setback, noon), waits_s[i] * SECOND);
        setback_fail(&setback, &eio, noon, fd);
    }
    setback_end(&setback, fd);
    assert_int_equal(setback_wait_ms(&setback, noon), 0);
    close(fd);
}

static void what_has_passed_since_the_failure_counts(void **state) {
    (void)state;
    struct setback setback = {.failures = 4, .failed_at = noon};
    assert_int_equal(setback_wait_ms(&setback, noon + 2 * SECOND), 18 * SECOND);
    assert_int_equal(setback_wait_ms(&setback, noon + 20 * SECOND - 1), 1);
    assert_int_equal(setback_wait_ms(&setback, noon + 20 * SECOND), 0);
    assert_int_equal(setback_wait_ms(&setback, noon + 7 * (int64_t)DAY), 0);
    assert_int_equal(setback_wait_ms(&setback, noon - DAY), 20 * SECOND);
}

/* Starts in a day of a daemon that fails so long after it began to work, and is started again after
 * two seconds by somebody who never gives up. */
static int starts_a_day(int64_t fails_after_ms) {
    struct setback setback = {0};
    int fd = lock_file(), starts = 0;
    for (int64_t now = noon; now < noon + DAY; now += 2 * SECOND) {
        setback_read(&setback, fd);
        now += setback_wait_ms(&setback, now) + fails_after_ms;
        if (fails_after_ms >= SETBACK_WELL_MS)
            setback_end(&setback, fd);
        setback_fail(&setback, &eio, now, fd);
        starts++;
    }
    close(fd);
    return starts;
}

static void a_day_has_few_starts_however_soon_it_fails(void **state) {
    (void)state;
    static const int64_t fails_after_ms[] = {
        0, 100, SECOND, 5 * SECOND, 60 * SECOND, SETBACK_WELL_MS - 1, SETBACK_WELL_MS};
    for (size_t i = 0; i < sizeof fails_after_ms / sizeof *fails_after_ms; i++)
        assert_in_range(starts_a_day(fails_after_ms[i]), 100, 300);
}

static void the_next_process_reads_what_was_noted(void **state) {
    (void)state;
    struct setback setback = {0}, next;
    int fd = lock_file();
    assert_int_equal(noted(fd).failures, 0);
    setback_fail(&setback, &eio, noon, fd);
    next = noted(fd);
    assert_int_equal(next.failures, 1);
    assert_int_equal(next.failed_at, noon);
    assert_string_equal(next.error.text, eio.text);
    setback_fail(&next, &(struct error){ERROR_DAMAGED, "it is\ndamaged"}, noon + SECOND, fd);
    next = noted(fd);
    assert_int_equal(next.failures, 2);
    assert_int_equal(next.failed_at, noon + SECOND);
    assert_string_equal(next.error.text, "it is?damaged");
    char text[200] = "";
    assert_in_range(pread(fd, text, sizeof text - 1, STORE_LOCK_TEXT_BYTES), 1, sizeof text - 1);
    assert_string_equal(text, "failures=2\nfailed_at=1800000001000\nfailure=it is?damaged\n");
    setback_end(&next, fd);
    assert_int_equal(noted(fd).failures, 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), STORE_LOCK_TEXT_BYTES);
    close(fd);
}

static void the_longest_sentence_is_kept_whole(void **state) {
    (void)state;
    struct setback setback = {.failures = INT32_MAX};
    struct error error = {.kind = ERROR_DISK};
    int fd = lock_file();
    memset(error.text, 'x', sizeof error.text - 1);
    setback_fail(&setback, &error, INT64_MAX, fd);
    assert_string_equal(noted(fd).error.text, error.text);
    assert_int_equal(noted(fd).failures, INT32_MAX);
    close(fd);
}

/* What the lock's owner tells of itself is written beside it, again and again. */
static void the_lock_leaves_the_note_alone(void **state) {
    (void)state;
    char directory[] = "/tmp/outhook-test-XXXXXX", path[64], name[80];
    struct setback setback = {0};
    struct store_lock lock;
    struct error error = {0};
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/a.db", directory);
    snprintf(name, sizeof name, "%s.lock", path);
    assert_int_equal(store_lock_take(&lock, path, &error), 0);
    setback_fail(&setback, &eio, noon, lock.fd);
    store_lock_release(&lock);
    assert_int_equal(store_lock_take(&lock, path, &error), 0);
    for (int in_flight = 1; in_flight < 1000000000; in_flight *= 10) {
        char text[STORE_LOCK_TEXT_BYTES + 1], read_back[STORE_LOCK_TEXT_BYTES + 1] = {0};
        store_lock_text(text, in_flight);
        assert_int_equal(strlen(text), STORE_LOCK_TEXT_BYTES);
        assert_int_equal(pwrite(lock.fd, text, STORE_LOCK_TEXT_BYTES, 0), STORE_LOCK_TEXT_BYTES);
        assert_int_equal(pread(lock.fd, read_back, STORE_LOCK_TEXT_BYTES, 0),
                         STORE_LOCK_TEXT_BYTES);
        assert_int_equal(strtol(read_back, NULL, 10), getpid());
        assert_int_equal(noted(lock.fd).failures, 1);
    }
    assert_string_equal(noted(lock.fd).error.text, eio.text);
    store_lock_release(&lock);
    unlink(name);
    rmdir(directory);
}

static void what_is_no_note_is_none(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "failures=3",
        "failures=3\n",
        "failures=3\nfailed_at=1\n",
        "failures=3\nfailed_at=1\nfailure=cut off",
        "failures=\nfailed_at=1\nfailure=x\n",
        "failures=0\nfailed_at=1\nfailure=x\n",
        "failures=-1\nfailed_at=1\nfailure=x\n",
        "failures=3 \nfailed_at=1\nfailure=x\n",
        "failures=3\nfailed_at=-1\nfailure=x\n",
        "failed_at=1\nfailures=3\nfailure=x\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = lock_file();
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        struct setback setback = noted(fd);
        assert_int_equal(setback.failures, 0);
        assert_string_equal(setback.error.text, "");
        close(fd);
    }
    assert_int_equal(noted(-1).failures, 0);
}

/* Whoever wrote it. */
static void no_note_makes_a_start_wait_for_more_than_five_minutes(void **state) {
    (void)state;
    static const int64_t numbers[] = {1, 2, 8, 63, 64, 65, INT32_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++) {
            int fd = lock_file();
            dprintf(fd, "failures=%" PRId64 "\nfailed_at=%" PRId64 "\nfailure=x\n", numbers[i],
                    numbers[j]);
            struct setback setback = noted(fd);
            assert_int_equal(setback.failures, numbers[i]);
            assert_in_range(setback_wait_ms(&setback, noon), 0, 300 * SECOND);
            setback_fail(&setback, &eio, noon, fd);
            assert_in_range(noted(fd).failures, 2, INT64_MAX);
            close(fd);
        }
}

/* As on a read-only file system: nothing is noted, and nothing else comes of it. */
static void a_file_that_cant_be_written(void **state) {
    (void)state;
    struct setback setback = {0};
    char path[64];
    int fd = lock_file();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int read_only = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read_only >= 0);
    setback_fail(&setback, &eio, noon, read_only);
    assert_int_equal(setback.failures, 1);
    assert_int_equal(noted(read_only).failures, 0);
    setback_fail(&setback, &eio, noon, fd);
    setback_end(&setback, read_only);
    assert_int_equal(setback.failures, 0);
    assert_int_equal(noted(read_only).failures, 2);
    close(read_only);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wait_is_longer_than_the_one_before),
        cmocka_unit_test(what_has_passed_since_the_failure_counts),
        cmocka_unit_test(a_day_has_few_starts_however_soon_it_fails),
        cmocka_unit_test(the_next_process_reads_what_was_noted),
        cmocka_unit_test(the_longest_sentence_is_kept_whole),
        cmocka_unit_test(the_lock_leaves_the_note_alone),
        cmocka_unit_test(what_is_no_note_is_none),
        cmocka_unit_test(no_note_makes_a_start_wait_for_more_than_five_minutes),
        cmocka_unit_test(a_file_that_cant_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
