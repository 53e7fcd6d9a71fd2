/* The breaker: what opens it, for how long, and the one call that decides. */

#include "outhook/delivery/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TRIES = 1000 };

static const struct breaker_policy policy = {
    .failures = 5,
    .open_ms = 30000,
    .open_max_ms = 1800000,
};

/* Fails until it opens, at its first possible moment; returns the time it stays open. */
static int64_t open_once(struct breaker *breaker, int64_t *now_ms, struct random *random) {
    if (breaker->open_until > *now_ms)
        *now_ms = breaker->open_until;
    while (!breaker_failed(breaker, &policy, 1, *now_ms, random))
        ;
    return breaker->open_until - *now_ms;
}

static void opens_after_enough_failures_in_a_row(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    for (int i = 1; i < 5; i++)
        assert_false(breaker_failed(&breaker, &policy, 1, 1000, &random));
    assert_int_equal(breaker.open_until, 0);
    assert_true(breaker_failed(&breaker, &policy, 1, 1000, &random));
    assert_true(breaker.open_until > 1000);
}

/* A flight of twenty that fails together is one piece of news, not four. */
static void a_large_limit_takes_as_many_failures(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    for (int i = 1; i < 20; i++)
        assert_false(breaker_failed(&breaker, &policy, 20, 1000, &random));
    assert_true(breaker_failed(&breaker, &policy, 20, 1000, &random));
}

static void an_answer_in_between_starts_the_count_anew(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    for (int i = 0; i < TRIES; i++) {
        if (i % 5 == 4)
            assert_false(breaker_answered(&breaker, i));
        else
            assert_false(breaker_failed(&breaker, &policy, 1, i, &random));
    }
    assert_int_equal(breaker.opens, 0);
}

static void calls_under_way_dont_open_it_again(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    int64_t now_ms = 1000;
    open_once(&breaker, &now_ms, &random);
    int64_t until = breaker.open_until;
    for (int i = 0; i < 20; i++)
        assert_false(breaker_failed(&breaker, &policy, 1, now_ms + i, &random));
    assert_int_equal(breaker.open_until, until);
    assert_int_equal(breaker.opens, 1);
}

static void half_open_when_the_time_is_up(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    int64_t now_ms = 1000;
    assert_false(breaker_half_open(&breaker, now_ms)); /* closed is not half open */
    open_once(&breaker, &now_ms, &random);
    assert_false(breaker_half_open(&breaker, now_ms));
    assert_false(breaker_half_open(&breaker, breaker.open_until - 1));
    assert_true(breaker_half_open(&breaker, breaker.open_until));
}

static void half_open_one_failure_is_enough(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    int64_t now_ms = 1000;
    open_once(&breaker, &now_ms, &random);
    now_ms = breaker.open_until;
    breaker.failures_in_a_row = 0;
    assert_true(breaker_failed(&breaker, &policy, 20, now_ms, &random));
    assert_int_equal(breaker.opens, 2);
    assert_false(breaker_half_open(&breaker, now_ms));
}

static void half_open_an_answer_closes_it(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {1};
    int64_t now_ms = 1000;
    open_once(&breaker, &now_ms, &random);
    assert_true(breaker_answered(&breaker, now_ms));
    assert_int_equal(breaker.open_until, 0);
    assert_false(breaker_half_open(&breaker, breaker.open_until + 1));
    assert_false(breaker_answered(&breaker, now_ms)); /* it was closed already */
    for (int i = 1; i < 5; i++)
        assert_false(breaker_failed(&breaker, &policy, 1, now_ms, &random));
}

/* Few answers, but a long time without opening again. */
static void ten_minutes_in_peace_count_as_healthy(void **state) {
    (void)state;
    static const int64_t peace_ms[] = {10 * 60 * 1000 - 1, 10 * 60 * 1000};
    for (int i = 0; i < 2; i++) {
        struct breaker breaker = {0};
        struct random random = {4};
        int64_t now_ms = 1000;
        for (int opens = 0; opens < 5; opens++)
            open_once(&breaker, &now_ms, &random);
        now_ms = breaker.open_until;
        assert_true(breaker_answered(&breaker, now_ms));
        now_ms += peace_ms[i];
        open_once(&breaker, &now_ms, &random);
        assert_int_equal(breaker.opens, i ? 1 : 6);
    }
}

static void each_time_twice_as_long_up_to_the_most(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {9};
    int64_t now_ms = 1000;
    for (int opens = 0; opens < 100; opens++) {
        int64_t expected = opens < 6 ? policy.open_ms << opens : policy.open_max_ms;
        int64_t open_ms = open_once(&breaker, &now_ms, &random);
        assert_in_range(open_ms, expected * 8 / 10, expected * 12 / 10);
    }
}

static void the_time_is_spread(void **state) {
    (void)state;
    struct random random = {5};
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < TRIES; i++) {
        struct breaker breaker = {0};
        int64_t now_ms = 1000;
        int64_t open_ms = open_once(&breaker, &now_ms, &random);
        assert_in_range(open_ms, 24000, 36000);
        least = open_ms < least ? open_ms : least;
        most = open_ms > most ? open_ms : most;
    }
    assert_true(least < 24500);
    assert_true(most > 35500);
}

/* A single answer closes it, but only ten in a row make it forget how often it had to open. */
static void ten_answers_in_a_row_forget_the_past(void **state) {
    (void)state;
    struct breaker breaker = {0};
    struct random random = {5};
    int64_t now_ms = 1000;
    for (int i = 0; i < 3; i++)
        open_once(&breaker, &now_ms, &random);
    assert_int_equal(breaker.opens, 3);
    for (int i = 0; i < 9; i++)
        breaker_answered(&breaker, now_ms);
    assert_int_equal(breaker.opens, 3);
    breaker_failed(&breaker, &policy, 1, now_ms, &random);
    for (int i = 0; i < 9; i++)
        breaker_answered(&breaker, now_ms);
    assert_int_equal(breaker.opens, 3);
    breaker_answered(&breaker, now_ms);
    assert_int_equal(breaker.opens, 0);
    assert_in_range(open_once(&breaker, &now_ms, &random), 24000, 36000);
}

static void settings_that_are_equal_or_the_wrong_way_round(void **state) {
    (void)state;
    struct random random = {5};
    const struct breaker_policy flat = {1, 1000, 1000}, backward = {1, 5000, 1000};
    for (int i = 0; i < 30; i++) {
        struct breaker a = {.opens = i % 21}, b = {.opens = i % 21};
        assert_true(breaker_failed(&a, &flat, 1, 0, &random));
        assert_in_range(a.open_until, 800, 1200);
        assert_true(breaker_failed(&b, &backward, 1, 0, &random));
        assert_in_range(b.open_until, 800, 1200);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_enough_failures_in_a_row),
        cmocka_unit_test(a_large_limit_takes_as_many_failures),
        cmocka_unit_test(an_answer_in_between_starts_the_count_anew),
        cmocka_unit_test(calls_under_way_dont_open_it_again),
        cmocka_unit_test(half_open_when_the_time_is_up),
        cmocka_unit_test(half_open_one_failure_is_enough),
        cmocka_unit_test(half_open_an_answer_closes_it),
        cmocka_unit_test(ten_minutes_in_peace_count_as_healthy),
        cmocka_unit_test(each_time_twice_as_long_up_to_the_most),
        cmocka_unit_test(the_time_is_spread),
        cmocka_unit_test(ten_answers_in_a_row_forget_the_past),
        cmocka_unit_test(settings_that_are_equal_or_the_wrong_way_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
