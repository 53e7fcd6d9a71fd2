#include "outhook/delivery/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct slots_policy ten = {.max_in_flight = 10, .max_unwritten = 5};

static void calls_stop_at_the_most(void **state) {
    (void)state;
    assert_true(slots_have_room(&(struct slots){.n_flying = 9}, &ten));
    assert_false(slots_have_room(&(struct slots){.n_flying = 10}, &ten));
}

static void outcomes_that_wait_hold_no_slot(void **state) {
    (void)state;
    assert_true(slots_have_room(&(struct slots){.n_flying = 9, .n_unwritten = 5}, &ten));
}

/* All that are under way may end before one is written. */
static void both_together_have_a_bound(void **state) {
    (void)state;
    assert_false(slots_have_room(&(struct slots){.n_flying = 9, .n_unwritten = 6}, &ten));
    assert_true(slots_have_room(&(struct slots){.n_flying = 0, .n_unwritten = 14}, &ten));
    assert_false(slots_have_room(&(struct slots){.n_flying = 0, .n_unwritten = 15}, &ten));
}

static void one_of_each_is_enough(void **state) {
    (void)state;
    const struct slots_policy one = {.max_in_flight = 1, .max_unwritten = 1};
    assert_true(slots_have_room(&(struct slots){.n_unwritten = 1}, &one));
    assert_false(slots_have_room(&(struct slots){.n_flying = 1}, &one));
    assert_false(slots_have_room(&(struct slots){.n_unwritten = 2}, &one));
    assert_true(slots_have_unproven_room(&(struct slots){0}, &one, 0));
    assert_int_equal(slots_origin_limit(&one), 1);
}

static void the_unproven_share_is_half(void **state) {
    (void)state;
    assert_true(slots_have_unproven_room(&(struct slots){.n_unproven = 3}, &ten, 1));
    assert_false(slots_have_unproven_room(&(struct slots){.n_unproven = 3}, &ten, 2));
}

static void the_store_is_waited_for_from_half_of_it_on(void **state) {
    (void)state;
    assert_false(slots_wait_for_store(&(struct slots){.n_unwritten = 2}, &ten));
    assert_true(slots_wait_for_store(&(struct slots){.n_unwritten = 3}, &ten));
}

static void an_origin_leaves_a_quarter(void **state) {
    (void)state;
    struct slots_policy policy = ten;
    assert_int_equal(slots_origin_limit(&policy), 8);
    policy.origin_max_in_flight = 3;
    assert_int_equal(slots_origin_limit(&policy), 3);
    policy.origin_max_in_flight = 9;
    assert_int_equal(slots_origin_limit(&policy), 8);
}

static void patience_shrinks_with_the_free_slots(void **state) {
    (void)state;
    assert_int_equal(slots_overdue_floor_ms(&(struct slots){0}, &ten), 250);
    assert_int_equal(slots_overdue_floor_ms(&(struct slots){.n_flying = 5}, &ten), 125);
    assert_int_equal(slots_overdue_floor_ms(&(struct slots){.n_flying = 10}, &ten), 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_stop_at_the_most),
        cmocka_unit_test(outcomes_that_wait_hold_no_slot),
        cmocka_unit_test(both_together_have_a_bound),
        cmocka_unit_test(one_of_each_is_enough),
        cmocka_unit_test(the_unproven_share_is_half),
        cmocka_unit_test(the_store_is_waited_for_from_half_of_it_on),
        cmocka_unit_test(an_origin_leaves_a_quarter),
        cmocka_unit_test(patience_shrinks_with_the_free_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
