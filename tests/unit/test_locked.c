/* The endpoints whose secrets don't open: when they are worth reading again. */

#include "outhook/store/locked.h"

#include "outhook/base/clock.h"
#include "outhook/delivery/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char why[] = "no key";

static void note(struct locked *locked, int64_t id, int64_t until_at) {
    struct endpoint endpoint = {.id = id, .locked = why, .locked_until = until_at};
    locked_note(locked, id, &endpoint);
}

/* The sum of the ids tells which they are. */
static void assert_over(struct locked *locked, int64_t now, size_t expected, int64_t ids_sum) {
    size_t count;
    int64_t *ids = locked_over(locked, now, &count);
    assert_int_equal(count, expected);
    assert_int_equal(!ids, !expected);
    for (size_t i = 0; i < count; i++)
        ids_sum -= ids[i];
    assert_int_equal(ids_sum, 0);
    free(ids);
}

static void nothing_is_over_of_nothing(void **state) {
    (void)state;
    struct locked locked = {0};
    assert_over(&locked, 1000, 0, 0);
    assert_over(&locked, CLOCK_NEVER, 0, 0);
    locked_free(&locked);
}

static void each_is_over_at_its_own_time(void **state) {
    (void)state;
    struct locked locked = {0};
    note(&locked, 1, 5000);
    note(&locked, 2, CLOCK_NEVER);
    note(&locked, 4, 3000);
    assert_over(&locked, 2999, 0, 0);
    assert_over(&locked, 3000, 1, 4);
    locked_note(&locked, 4, &(struct endpoint){.id = 4}); /* read again: it is open */
    assert_over(&locked, 4999, 0, 0);
    assert_over(&locked, 5000, 1, 1);
    assert_over(&locked, CLOCK_NEVER, 2, 3); /* other keys: all that are still noted */
    locked_free(&locked);
}

static void a_later_one_may_be_over_sooner(void **state) {
    (void)state;
    struct locked locked = {0};
    note(&locked, 1, CLOCK_NEVER);
    assert_over(&locked, 1000, 0, 0);
    note(&locked, 1, 2000); /* it has been given a time */
    assert_over(&locked, 2000, 1, 1);
    locked_note(&locked, 1, NULL); /* gone */
    assert_over(&locked, CLOCK_NEVER, 0, 0);
    locked_free(&locked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_over_of_nothing),
        cmocka_unit_test(each_is_over_at_its_own_time),
        cmocka_unit_test(a_later_one_may_be_over_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
