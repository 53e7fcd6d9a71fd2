/* Outcomes that wait for their commit: how long, and how many it carries. */

#include "outhook/store/unwritten.h"

#include "outhook/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { COMMITTED_US = 1000000, SOON_US = 1000, LATE_US = 20000 };

static void add(struct unwritten *unwritten, int64_t delivery_id, bool urgent) {
    struct store_request *request = store_request_new(STORE_WRITE);
    request->write.delivery_id = delivery_id;
    request->write.urgent = urgent;
    unwritten_add(unwritten, request);
}

static void add_many(struct unwritten *unwritten, int count) {
    for (int i = 0; i < count; i++)
        add(unwritten, 100000 - i, false);
}

/* One commit of all that one commit carries, in so many frames; how many that were. */
static int commit(struct unwritten *unwritten, int64_t frames) {
    struct write *writes[UNWRITTEN_MAX];
    int count = unwritten_batch(unwritten, writes);
    for (int i = 1; i < count; i++)
        assert_true(writes[i - 1]->delivery_id < writes[i]->delivery_id);
    for (int i = 0; i < count; i++)
        store_request_free(unwritten->requests[i]);
    unwritten_committed(unwritten, count, &(struct commit_cost){.frames = frames}, COMMITTED_US);
    return count;
}

/* The same, of few, that takes so long; when the next commit is due if another outcome comes. */
static int64_t due_after(int64_t took_us) {
    struct unwritten unwritten = {0};
    add_many(&unwritten, 3);
    for (int i = 0; i < 3; i++)
        store_request_free(unwritten.requests[i]);
    const struct commit_cost cost = {.frames = 3, .took_us = took_us};
    unwritten_committed(&unwritten, 3, &cost, COMMITTED_US);
    add(&unwritten, 4, false);
    int64_t at_us = unwritten_commit_at(&unwritten);
    unwritten_drop(&unwritten);
    return at_us - COMMITTED_US;
}

/* Commits all, and so many more in so many frames; how many the next commit carries. */
static int batch_after(struct unwritten *unwritten, int count, int64_t frames) {
    while (unwritten->count)
        commit(unwritten, 0);
    add_many(unwritten, count);
    assert_int_equal(commit(unwritten, frames), count);
    add_many(unwritten, UNWRITTEN_MAX);
    int batch = commit(unwritten, 0);
    unwritten_drop(unwritten);
    return batch;
}

static void none_are_never_due(void **state) {
    (void)state;
    struct unwritten unwritten = {0};
    assert_int_equal(unwritten_commit_at(&unwritten), CLOCK_NEVER);
}

static void company_is_waited_for_and_less_long_by_those_in_need(void **state) {
    (void)state;
    struct unwritten unwritten = {.committed_at_us = COMMITTED_US};
    add(&unwritten, 1, false);
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + LATE_US);
    add(&unwritten, 2, true);
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + SOON_US);
    assert_int_equal(commit(&unwritten, 4), 2);
    add(&unwritten, 3, false);
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + LATE_US);
    unwritten_drop(&unwritten);
}

/* The lock is held for a two-hundredth of the time, but nobody waits for longer than that. */
static void a_commit_that_takes_long_is_not_soon_followed_by_another(void **state) {
    (void)state;
    assert_int_equal(due_after(0), LATE_US);
    assert_int_equal(due_after(100), LATE_US);
    assert_int_equal(due_after(101), LATE_US + 200);
    assert_int_equal(due_after(500), 100000);
    assert_int_equal(due_after(1999), 399800);
    assert_int_equal(due_after(2000), WRITE_LINGER_MAX_MS * 1000);
    assert_int_equal(due_after(60000000), WRITE_LINGER_MAX_MS * 1000);
}

/* Those in need, and the rest of a backlog, don't wait for that. */
static void nor_does_it_hold_up_a_backlogs_end(void **state) {
    (void)state;
    struct unwritten unwritten = {.committed_at_us = COMMITTED_US, .took_us = 1000};
    add(&unwritten, 1, true);
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + SOON_US);
    add_many(&unwritten, 256);
    for (int i = 0; i < 256; i++)
        store_request_free(unwritten.requests[i]);
    const struct commit_cost cost = {.frames = 100, .took_us = 1000};
    unwritten_committed(&unwritten, 256, &cost, COMMITTED_US);
    unwritten.urgent = false;
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + LATE_US);
    unwritten_drop(&unwritten);
}

/* What the next ones want that are in a hurry. */
static int64_t warm_after(int count, int64_t warm_us, int64_t took_us) {
    struct unwritten unwritten = {0};
    const struct commit_cost cost = {.frames = 3, .warm_us = warm_us, .took_us = took_us};
    add_many(&unwritten, count);
    for (int i = 0; i < count; i++)
        store_request_free(unwritten.requests[i]);
    unwritten_committed(&unwritten, count, &cost, COMMITTED_US);
    unwritten.urgent = true;
    return unwritten_warm_frames(&unwritten, 10);
}

/* There is time for it. */
static void what_waits_for_company_is_read_meanwhile(void **state) {
    (void)state;
    struct unwritten unwritten = {.quick = true, .batch = 100};
    assert_int_equal(unwritten_warm_frames(&unwritten, 10), 18);
    assert_int_equal(unwritten_warm_frames(&unwritten, 99), 107);
    assert_int_equal(unwritten_warm_frames(&unwritten, 100), 0);
    unwritten.urgent = true;
    assert_int_equal(unwritten_warm_frames(&unwritten, 10), 0);
}

/* The first commit, and one after another that was slow, however it came to be. */
static void what_a_slow_commit_needs_is_read_before_the_next(void **state) {
    (void)state;
    struct unwritten unwritten = {0};
    assert_int_equal(unwritten_warm_frames(&unwritten, 10), 18);
    assert_int_equal(unwritten_warm_frames(&unwritten, UNWRITTEN_MAX), 258);
    assert_int_equal(warm_after(100, 0, 1200), 0);
    assert_int_equal(warm_after(100, 0, 1201), 3 + 8);
    assert_int_equal(warm_after(100, 1000, 200), 0);
    assert_int_equal(warm_after(100, 1000, 201), 3 + 8);
    assert_true(unwritten_put_off(&unwritten, COMMITTED_US)); /* it was read just now */
    assert_int_equal(unwritten_warm_frames(&unwritten, 10), 0);
}

/* As many frames as the last commit wrote; more for more outcomes, but never more than one each. */
static void no_more_is_read_than_will_be_written(void **state) {
    (void)state;
    struct unwritten unwritten = {.last_count = 100, .last_frames = 40};
    assert_int_equal(unwritten_warm_frames(&unwritten, 100), 48);
    assert_int_equal(unwritten_warm_frames(&unwritten, 41), 48);
    assert_int_equal(unwritten_warm_frames(&unwritten, 40), 48);
    assert_int_equal(unwritten_warm_frames(&unwritten, 39), 47);
    assert_int_equal(unwritten_warm_frames(&unwritten, 200), 88);
    unwritten.last_frames = 0; /* a checkpoint of others came in between */
    assert_int_equal(unwritten_warm_frames(&unwritten, 100), 108);
}

static void many_are_written_at_once(void **state) {
    (void)state;
    struct unwritten unwritten = {.committed_at_us = COMMITTED_US};
    add_many(&unwritten, 255);
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + LATE_US);
    add_many(&unwritten, 1);
    assert_int_equal(unwritten_commit_at(&unwritten), 0);
    unwritten_drop(&unwritten);
}

/* A commit that meets a lock is tried again soon, and for a moment leaves room for other work. */
static void a_lock_puts_it_off_for_a_moment(void **state) {
    (void)state;
    struct unwritten unwritten = {0};
    add_many(&unwritten, 300);
    assert_true(unwritten_put_off(&unwritten, COMMITTED_US));
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + 500);
    assert_true(unwritten_put_off(&unwritten, COMMITTED_US + 19999));
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + 19999 + 500);
    assert_false(unwritten_put_off(&unwritten, COMMITTED_US + 20000));
    commit(&unwritten, 256);
    assert_int_equal(unwritten_commit_at(&unwritten), COMMITTED_US + LATE_US);
    assert_true(unwritten_put_off(&unwritten, COMMITTED_US + 20000)); /* another one */
    unwritten_drop(&unwritten);
}

static void the_rest_follows_in_order(void **state) {
    (void)state;
    struct unwritten unwritten = {0};
    add_many(&unwritten, 300);
    assert_int_equal(commit(&unwritten, 256), 256);
    assert_int_equal(unwritten.count, 44);
    assert_int_equal(unwritten.requests[0]->write.delivery_id, 100000 - 43);
    assert_int_equal(commit(&unwritten, 44), 44);
    assert_int_equal(unwritten_commit_at(&unwritten), CLOCK_NEVER);
}

/* 250 frames are meant, and 64 outcomes at least and 512 at most. */
static void a_commit_carries_what_its_frames_allow(void **state) {
    (void)state;
    struct unwritten unwritten = {0};
    assert_int_equal(batch_after(&unwritten, 200, 200), 250);
    assert_int_equal(batch_after(&unwritten, 200, 400), 125);
    assert_int_equal(batch_after(&unwritten, 100, 390), 64);
    assert_int_equal(batch_after(&unwritten, 64, 10000), 64);
    assert_int_equal(batch_after(&unwritten, 64, 40), 400);
    assert_int_equal(batch_after(&unwritten, 200, 97), 512);
    assert_int_equal(batch_after(&unwritten, 200, 0), 512);
}

static void few_teach_nothing(void **state) {
    (void)state;
    struct unwritten unwritten = {0};
    assert_int_equal(batch_after(&unwritten, 200, 200), 250);
    assert_int_equal(batch_after(&unwritten, 63, 200), 512); /* by the rest, which took none */
    unwritten = (struct unwritten){0};
    assert_int_equal(batch_after(&unwritten, 63, 200), 256);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_are_never_due),
        cmocka_unit_test(company_is_waited_for_and_less_long_by_those_in_need),
        cmocka_unit_test(a_commit_that_takes_long_is_not_soon_followed_by_another),
        cmocka_unit_test(nor_does_it_hold_up_a_backlogs_end),
        cmocka_unit_test(what_a_slow_commit_needs_is_read_before_the_next),
        cmocka_unit_test(what_waits_for_company_is_read_meanwhile),
        cmocka_unit_test(no_more_is_read_than_will_be_written),
        cmocka_unit_test(many_are_written_at_once),
        cmocka_unit_test(a_lock_puts_it_off_for_a_moment),
        cmocka_unit_test(the_rest_follows_in_order),
        cmocka_unit_test(a_commit_carries_what_its_frames_allow),
        cmocka_unit_test(few_teach_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
