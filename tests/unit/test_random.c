/* The numbers for jitter: the published sequence, repeatability, and bounds. */

#include "outhook/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROUNDS = 20000 };

/* SplitMix64 from 0, as in the reference program, https://prng.di.unimi.it/splitmix64.c */
static void the_published_sequence(void **state) {
    (void)state;
    struct random random = {.state = 0};
    assert_true(random_next(&random) == 0xe220a8397b1dcdafu);
    assert_true(random_next(&random) == 0x6e789e6aa1b965f4u);
    assert_true(random_next(&random) == 0x06c45d188009454fu);
}

static void a_seed_repeats_its_numbers(void **state) {
    (void)state;
    struct random a = {.state = 7}, b = {.state = 7}, other = {.state = 8};
    int differing = 0;
    for (int i = 0; i < 100; i++) {
        int64_t number = random_jitter(&a, 1000000, 20);
        assert_int_equal(number, random_jitter(&b, 1000000, 20));
        differing += number != random_jitter(&other, 1000000, 20);
    }
    assert_true(differing > 90);
}

static void below_its_bound(void **state) {
    (void)state;
    struct random random = {.state = 3};
    int counts[10] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int64_t number = random_below(&random, 10);
        assert_in_range(number, 0, 9);
        counts[number]++;
    }
    for (int i = 0; i < 10; i++) /* 2000 are expected, with a deviation of 42 */
        assert_in_range(counts[i], 1700, 2300);
    assert_int_equal(random_below(&random, 1), 0);
    assert_int_equal(random_below(&random, 0), 0);
    assert_int_equal(random_below(&random, -5), 0);
    assert_int_equal(random_below(&random, INT64_MIN), 0);
    for (int i = 0; i < 100; i++)
        assert_true(random_below(&random, INT64_MAX) >= 0);
}

/* Both ends are reached and never passed, and the mean stays. */
static void jitter_reaches_both_ends_only(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        int percent;
        int64_t least, most;
    } cases[] = {
        {100, 20, 80, 120}, {5, 20, 4, 6}, {4, 20, 4, 4},          {199, 50, 100, 298},
        {100, 0, 100, 100}, {0, 50, 0, 0}, {1234, 10, 1111, 1357},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct random random = {.state = 4};
        int64_t least = INT64_MAX, most = INT64_MIN, sum = 0;
        for (int round = 0; round < ROUNDS; round++) {
            int64_t number = random_jitter(&random, cases[i].value, cases[i].percent);
            least = number < least ? number : least;
            most = number > most ? number : most;
            sum += number;
        }
        assert_int_equal(least, cases[i].least);
        assert_int_equal(most, cases[i].most);
        assert_in_range(sum / ROUNDS + 2, cases[i].value, cases[i].value + 4);
    }
}

static void the_longest_wait_does_not_overflow(void **state) {
    (void)state;
    const int64_t longest = 999999999 * (int64_t)86400000; /* what a duration can say */
    struct random random = {.state = 5};
    for (int i = 0; i < 1000; i++) {
        int64_t number = random_jitter(&random, longest, 50);
        assert_true(number >= longest / 2 && number <= longest + longest / 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_sequence),
        cmocka_unit_test(a_seed_repeats_its_numbers),
        cmocka_unit_test(below_its_bound),
        cmocka_unit_test(jitter_reaches_both_ends_only),
        cmocka_unit_test(the_longest_wait_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
