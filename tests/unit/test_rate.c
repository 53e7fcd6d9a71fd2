/* The rate limit: evenly, with a burst, and over a long time exactly as many as allowed. */

#include "outhook/delivery/rate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Calls as early as allowed from `from_ms` on, until `to_ms`; returns how many. */
static int calls_between(struct rate *rate, double per_second, int burst, int64_t from_ms,
                         int64_t to_ms) {
    int calls = 0;
    int64_t now_ms = from_ms;
    while (now_ms < to_ms) {
        int64_t ready_at = rate_ready_at(rate, per_second, burst);
        if (ready_at > now_ms) {
            now_ms = ready_at;
            continue;
        }
        rate_take(rate, per_second, now_ms);
        calls++;
    }
    return calls;
}

static void no_limit(void **state) {
    (void)state;
    struct rate rate = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rate_ready_at(&rate, 0, 1), 0);
        rate_take(&rate, 0, 5);
    }
    assert_int_equal(rate.next_even_ns, 0);
}

static void one_at_a_time_without_a_burst(void **state) {
    (void)state;
    struct rate rate = {0};
    assert_true(rate_ready_at(&rate, 10, 1) <= 5000);
    rate_take(&rate, 10, 5000);
    assert_int_equal(rate_ready_at(&rate, 10, 1), 5100);
    rate_take(&rate, 10, 5100);
    assert_int_equal(rate_ready_at(&rate, 10, 1), 5200);
}

static void a_burst_at_once_and_then_evenly(void **state) {
    (void)state;
    struct rate rate = {0};
    for (int i = 0; i < 5; i++) {
        assert_true(rate_ready_at(&rate, 10, 5) <= 5000);
        rate_take(&rate, 10, 5000);
    }
    assert_int_equal(rate_ready_at(&rate, 10, 5), 5100);
    rate_take(&rate, 10, 5100);
    assert_int_equal(rate_ready_at(&rate, 10, 5), 5200);
}

static void quiet_earns_a_burst_and_no_more(void **state) {
    (void)state;
    struct rate rate = {0};
    assert_int_equal(calls_between(&rate, 10, 5, 1000, 1001), 5);
    assert_int_equal(calls_between(&rate, 10, 5, 1300, 1301), 3); /* what 300 ms earn */
    assert_int_equal(calls_between(&rate, 10, 5, 100000, 100001), 5);
}

/* Whatever the interval is in milliseconds: what is rounded must not add up. */
static void exact_over_a_long_time(void **state) {
    (void)state;
    static const double rates[] = {0.001, 0.7, 3, 7, 60, 999, 1000, 1500, 7000, 100000};
    static const int bursts[] = {1, 2, 10};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (size_t j = 0; j < sizeof bursts / sizeof *bursts; j++) {
            struct rate rate = {0};
            int64_t length_ms = rates[i] < 1 ? 100000000 : 10000;
            double expected = rates[i] * (double)length_ms / 1000 + bursts[j] - 1;
            int calls = calls_between(&rate, rates[i], bursts[j], 1000, 1000 + length_ms);
            /* A call may start in the millisecond in which it is due. */
            assert_true(fabs(calls - expected) <= 2 + rates[i] / 1000);
        }
}

static void both_ends(void **state) {
    (void)state;
    struct rate slow = {0}, wide = {0};
    rate_take(&slow, 0.001, 0);
    assert_int_equal(rate_ready_at(&slow, 0.001, 1), 1000000);
    for (int i = 0; i < 100000; i++)
        rate_take(&wide, 0.001, 0);
    assert_int_equal(rate_ready_at(&wide, 0.001, 100000), 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit),
        cmocka_unit_test(one_at_a_time_without_a_burst),
        cmocka_unit_test(a_burst_at_once_and_then_evenly),
        cmocka_unit_test(quiet_earns_a_burst_and_no_more),
        cmocka_unit_test(exact_over_a_long_time),
        cmocka_unit_test(both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
