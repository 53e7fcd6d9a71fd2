/* Retries: the schedule, its jitter, Retry-After as a floor, the budget and the expiry. */

#include "outhook/delivery/retry.h"

#include "outhook/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TRIES = 2000, WALL = 1000000 };

static const struct durations schedule = {.count = 3, .ms = {1000, 10000, 60000}};

static struct retry_policy policy(int jitter_percent) {
    return (struct retry_policy){
        .schedule = &schedule,
        .max_attempts = 5,
        .jitter_percent = jitter_percent,
        .retry_after_max_ms = 3600000,
    };
}

/* The wait after an attempt, for which there must be another one. */
static int64_t wait_after(const struct retry_policy *retry, int attempt, int64_t retry_after_ms,
                          struct random *random) {
    struct retry_decision decision =
        retry_decide(retry, attempt, retry_after_ms, WALL, CLOCK_NEVER, random);
    assert_int_equal(decision.fate, RETRY_AGAIN);
    return decision.due_at - WALL;
}

static void follows_the_schedule(void **state) {
    (void)state;
    struct random random = {1};
    struct retry_policy retry = policy(0);
    retry.max_attempts = 1000;
    assert_int_equal(wait_after(&retry, 1, -1, &random), 1000);
    assert_int_equal(wait_after(&retry, 2, -1, &random), 10000);
    assert_int_equal(wait_after(&retry, 3, -1, &random), 60000);
    assert_int_equal(wait_after(&retry, 4, -1, &random), 60000); /* the last one repeats */
    assert_int_equal(wait_after(&retry, 999, -1, &random), 60000);
}

static void jitter_goes_both_ways_and_no_further(void **state) {
    (void)state;
    struct random random = {7};
    struct retry_policy retry = policy(20);
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < TRIES; i++) {
        int64_t wait = wait_after(&retry, 2, -1, &random);
        assert_in_range(wait, 8000, 12000);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(least < 8100);
    assert_true(most > 11900);
}

static void retry_after_is_a_floor(void **state) {
    (void)state;
    struct random random = {3};
    struct retry_policy retry = policy(0);
    for (int i = 0; i < TRIES; i++) {
        /* Longer than the schedule says: lengthened by up to a tenth, never shortened. */
        assert_in_range(wait_after(&retry, 1, 20000, &random), 20000, 22000);
        /* Shorter: the schedule's wait stands. */
        assert_int_equal(wait_after(&retry, 2, 5000, &random), 10000);
        assert_int_equal(wait_after(&retry, 2, 0, &random), 10000);
    }
}

static void retry_after_has_a_most(void **state) {
    (void)state;
    struct random random = {3};
    struct retry_policy retry = policy(0);
    for (int i = 0; i < TRIES; i++)
        assert_in_range(wait_after(&retry, 1, INT64_MAX, &random), 3600000, 3960000);
}

static void retry_after_is_spread(void **state) {
    (void)state;
    struct random random = {11};
    struct retry_policy retry = policy(0);
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < TRIES; i++) {
        int64_t wait = wait_after(&retry, 1, 100000, &random);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(least < 100500);
    assert_true(most > 109500);
}

static void the_last_attempt_fails(void **state) {
    (void)state;
    struct random random = {1};
    struct retry_policy retry = policy(20);
    assert_int_equal(retry_decide(&retry, 4, -1, WALL, CLOCK_NEVER, &random).fate, RETRY_AGAIN);
    assert_int_equal(retry_decide(&retry, 5, -1, WALL, CLOCK_NEVER, &random).fate, RETRY_FAILED);
    assert_int_equal(retry_decide(&retry, 6, -1, WALL, CLOCK_NEVER, &random).fate, RETRY_FAILED);
    retry.max_attempts = 1;
    assert_int_equal(retry_decide(&retry, 1, -1, WALL, CLOCK_NEVER, &random).fate, RETRY_FAILED);
    /* Out of attempts is what is said even when it has expired, too. */
    assert_int_equal(retry_decide(&retry, 1, -1, WALL, 0, &random).fate, RETRY_FAILED);
}

static void expires_when_the_retry_would_come_too_late(void **state) {
    (void)state;
    struct random random = {1};
    struct retry_policy retry = policy(0);
    int64_t due_at = WALL + 1000;
    assert_int_equal(retry_decide(&retry, 1, -1, WALL, due_at, &random).fate, RETRY_EXPIRED);
    assert_int_equal(retry_decide(&retry, 1, -1, WALL, due_at + 1, &random).fate, RETRY_AGAIN);
    assert_int_equal(retry_decide(&retry, 1, -1, WALL, WALL - 1, &random).fate, RETRY_EXPIRED);
    /* Retry-After may be what makes it late. */
    assert_int_equal(retry_decide(&retry, 1, 2000, WALL, due_at + 1, &random).fate, RETRY_EXPIRED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_schedule),
        cmocka_unit_test(jitter_goes_both_ways_and_no_further),
        cmocka_unit_test(retry_after_is_a_floor),
        cmocka_unit_test(retry_after_has_a_most),
        cmocka_unit_test(retry_after_is_spread),
        cmocka_unit_test(the_last_attempt_fails),
        cmocka_unit_test(expires_when_the_retry_would_come_too_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
