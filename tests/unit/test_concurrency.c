/* The learned limit: one call until proven, growth while it binds, one cut for each flight. */

#include "outhook/delivery/concurrency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 20 };

static struct concurrency proven(void) {
    struct concurrency concurrency;
    concurrency_reset(&concurrency);
    concurrency_answered(&concurrency, 50);
    return concurrency;
}

/* Successes with the limit fully used. */
static void grow_times(struct concurrency *concurrency, int times, int most) {
    for (int i = 0; i < times; i++)
        concurrency_grow(concurrency, concurrency_limit(concurrency, most), most);
}

static void one_call_until_it_has_answered(void **state) {
    (void)state;
    struct concurrency concurrency;
    concurrency_reset(&concurrency);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 1);
    grow_times(&concurrency, 10, MOST);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 1);
    concurrency_answered(&concurrency, 50);
    assert_int_equal(concurrency_limit(&concurrency, MOST), CONCURRENCY_INITIAL);
}

static void never_more_than_allowed_nor_less_than_one(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    assert_int_equal(concurrency_limit(&concurrency, 2), 2);
    assert_int_equal(concurrency_limit(&concurrency, 1), 1);
    grow_times(&concurrency, 1000, MOST);
    assert_int_equal(concurrency_limit(&concurrency, MOST), MOST);
    assert_int_equal(concurrency_limit(&concurrency, 1000), MOST); /* no hoard above it */
    for (int64_t now = 1; now < 100; now++)
        concurrency_cut(&concurrency, 50, now, now);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 1);
    assert_int_equal(concurrency_limit(&concurrency, 0), 0);
}

static void slow_start_grows_by_one_a_success(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    for (int limit = CONCURRENCY_INITIAL; limit < MOST; limit++) {
        assert_int_equal(concurrency_limit(&concurrency, MOST), limit);
        concurrency_grow(&concurrency, limit, MOST);
    }
    assert_int_equal(concurrency_limit(&concurrency, MOST), MOST);
}

static void after_a_cut_it_grows_by_one_a_flight(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    grow_times(&concurrency, 100, MOST);
    concurrency_cut(&concurrency, 50, 10, 20);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 10);
    grow_times(&concurrency, 9, MOST);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 10);
    grow_times(&concurrency, 3, MOST);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 11);
}

/* Integers divide to nothing for large limits; growth must not end there. */
static void large_limits_grow_too(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    grow_times(&concurrency, 2000, 1000);
    concurrency_cut(&concurrency, 50, 10, 20);
    assert_int_equal(concurrency_limit(&concurrency, 1000), 500);
    grow_times(&concurrency, 1000, 1000);
    assert_true(concurrency_limit(&concurrency, 1000) > 500);
}

static void grows_only_while_it_binds(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    grow_times(&concurrency, 6, MOST);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 10);
    for (int i = 0; i < 100; i++)
        concurrency_grow(&concurrency, 4, MOST);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 10);
    concurrency_grow(&concurrency, 5, MOST); /* half of it is what binding means */
    assert_int_equal(concurrency_limit(&concurrency, MOST), 11);
}

static void one_cut_for_all_that_were_under_way_together(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    grow_times(&concurrency, 100, MOST);
    for (int64_t sent_at = 0; sent_at <= 1000; sent_at += 50)
        concurrency_cut(&concurrency, 50, sent_at, 1000 + sent_at);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 10);
    concurrency_cut(&concurrency, 50, 1000, 3000); /* sent in the instant of the cut */
    assert_int_equal(concurrency_limit(&concurrency, MOST), 10);
    concurrency_cut(&concurrency, 50, 1001, 3000);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 5);
}

static void even_the_first_millisecond_can_cut(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    concurrency_cut(&concurrency, 50, 0, 10);
    assert_int_equal(concurrency_limit(&concurrency, MOST), CONCURRENCY_INITIAL / 2);
}

static void cuts_to_a_percentage(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    grow_times(&concurrency, 100, MOST);
    concurrency_cut(&concurrency, 70, 10, 20);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 14);
}

static void doubt_starts_anew_with_what_was_learned(void **state) {
    (void)state;
    struct concurrency concurrency = proven();
    grow_times(&concurrency, 100, MOST);
    concurrency_doubt(&concurrency);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 1);
    concurrency_answered(&concurrency, 50);
    assert_int_equal(concurrency_limit(&concurrency, MOST), CONCURRENCY_INITIAL);

    /* Known to have failed at 4: it begins below that. */
    concurrency_cut(&concurrency, 50, 100, 200);
    concurrency_doubt(&concurrency);
    concurrency_answered(&concurrency, 50);
    assert_int_equal(concurrency_limit(&concurrency, MOST), 2);
}

static void overdue_is_between_a_quarter_and_five_seconds(void **state) {
    (void)state;
    struct concurrency concurrency;
    concurrency_reset(&concurrency);
    assert_int_equal(concurrency_overdue_ms(&concurrency, 250), 250); /* nothing is known */
    for (int i = 0; i < 100; i++)
        concurrency_answered(&concurrency, 5);
    assert_int_equal(concurrency_overdue_ms(&concurrency, 250), 250);
    for (int i = 0; i < 100; i++)
        concurrency_answered(&concurrency, 1000);
    assert_in_range(concurrency_overdue_ms(&concurrency, 250), 1000, 1100);
    for (int i = 0; i < 100; i++)
        concurrency_answered(&concurrency, 14000);
    assert_int_equal(concurrency_overdue_ms(&concurrency, 250), 5000);
}

/* The first measurement counts as deviation as well, as RFC 6298 has it. */
static void spread_makes_overdue_later(void **state) {
    (void)state;
    struct concurrency concurrency;
    concurrency_reset(&concurrency);
    concurrency_answered(&concurrency, 400);
    assert_int_equal(concurrency_overdue_ms(&concurrency, 250), 400 + 4 * 200);
    for (int i = 0; i < 200; i++)
        concurrency_answered(&concurrency, i % 2 ? 100 : 700);
    assert_in_range(concurrency_overdue_ms(&concurrency, 250), 1200, 2200);
}

static void expects_what_it_has_seen(void **state) {
    (void)state;
    struct concurrency concurrency;
    concurrency_reset(&concurrency);
    assert_int_equal(concurrency_expected_ms(&concurrency), 1);
    concurrency_answered(&concurrency, 0);
    assert_int_equal(concurrency_expected_ms(&concurrency), 1);
    concurrency_answered(&concurrency, 300);
    assert_int_equal(concurrency_expected_ms(&concurrency), 300);
    for (int i = 0; i < 100; i++)
        concurrency_answered(&concurrency, 80);
    assert_in_range(concurrency_expected_ms(&concurrency), 78, 82);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_until_it_has_answered),
        cmocka_unit_test(never_more_than_allowed_nor_less_than_one),
        cmocka_unit_test(slow_start_grows_by_one_a_success),
        cmocka_unit_test(after_a_cut_it_grows_by_one_a_flight),
        cmocka_unit_test(large_limits_grow_too),
        cmocka_unit_test(grows_only_while_it_binds),
        cmocka_unit_test(one_cut_for_all_that_were_under_way_together),
        cmocka_unit_test(even_the_first_millisecond_can_cut),
        cmocka_unit_test(cuts_to_a_percentage),
        cmocka_unit_test(doubt_starts_anew_with_what_was_learned),
        cmocka_unit_test(overdue_is_between_a_quarter_and_five_seconds),
        cmocka_unit_test(spread_makes_overdue_later),
        cmocka_unit_test(expects_what_it_has_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
