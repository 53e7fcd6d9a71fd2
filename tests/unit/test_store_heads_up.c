/* When a heads-up is given: after some quiet, and ever more rarely while nothing comes of it. */

#include "outhook/store/heads_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NOW = 50000000, QUIET = 3000, PUT_OFF_MIN = 3000, PUT_OFF_MAX = 1000000 };

static void the_first_sign_is_worth_one(void **state) {
    (void)state;
    struct heads_up heads_up = {0};
    assert_true(heads_up_due(&heads_up, NOW));
}

static void only_quiet_makes_a_sign_worth_one(void **state) {
    (void)state;
    struct heads_up heads_up = {0};
    assert_true(heads_up_due(&heads_up, NOW));
    heads_up_right(&heads_up);
    assert_false(heads_up_due(&heads_up, NOW + QUIET - 1));
    assert_false(heads_up_due(&heads_up, NOW + 2 * QUIET - 2)); /* since the last sign of all */
    assert_true(heads_up_due(&heads_up, NOW + 3 * QUIET - 2));
}

static void our_own_writes_are_no_sign_and_no_quiet(void **state) {
    (void)state;
    struct heads_up heads_up = {0};
    heads_up_own_write(&heads_up, NOW);
    assert_false(heads_up_due(&heads_up, NOW + QUIET - 1));
    heads_up_own_write(&heads_up, NOW + QUIET);
    assert_true(heads_up_due(&heads_up, NOW + 2 * QUIET));
}

static int64_t next_given_at(struct heads_up *heads_up, int64_t now_us) {
    do
        now_us += QUIET;
    while (!heads_up_due(heads_up, now_us));
    return now_us;
}

static void in_vain_they_get_rarer(void **state) {
    (void)state;
    struct heads_up heads_up = {0};
    int64_t at = NOW, last, put_off = PUT_OFF_MIN;
    assert_true(heads_up_due(&heads_up, at));
    for (int i = 0; i < 20; i++) {
        last = at;
        at = next_given_at(&heads_up, at);
        assert_in_range(at - last, put_off, put_off + QUIET - 1);
        put_off = put_off * 2 < PUT_OFF_MAX ? put_off * 2 : PUT_OFF_MAX;
    }
    assert_int_equal(put_off, PUT_OFF_MAX);
}

static void one_that_was_right_ends_that(void **state) {
    (void)state;
    struct heads_up heads_up = {0};
    int64_t at = NOW;
    for (int i = 0; i < 20; i++)
        at = next_given_at(&heads_up, at);
    heads_up_right(&heads_up);
    assert_true(heads_up_due(&heads_up, at + QUIET));
    assert_true(heads_up_due(&heads_up, at + 2 * QUIET)); /* and it is put off from the least on */
    assert_false(heads_up_due(&heads_up, at + 3 * QUIET));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sign_is_worth_one),
        cmocka_unit_test(only_quiet_makes_a_sign_worth_one),
        cmocka_unit_test(our_own_writes_are_no_sign_and_no_quiet),
        cmocka_unit_test(in_vain_they_get_rarer),
        cmocka_unit_test(one_that_was_right_ends_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
