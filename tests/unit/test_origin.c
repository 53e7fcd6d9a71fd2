/* Origins: what opens one, what closes it, and how many calls it takes. */

#include "outhook/delivery/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 8, NOW = 1000 };

static const struct breaker_policy policy = {
    .failures = 5,
    .open_ms = 30000,
    .open_max_ms = 1800000,
};

static struct origin_news learn(struct origin *origin, int64_t endpoint_id, enum verdict verdict,
                                int64_t now_ms) {
    static struct random random = {5};
    struct outcome outcome = {.verdict = verdict};
    return origin_learn(origin, &policy, endpoint_id, &outcome, now_ms, &random);
}

static void three_silent_endpoints_open_it(void **state) {
    (void)state;
    struct origin *origin = origin_new(1);
    assert_false(learn(origin, 1, VERDICT_UNREACHABLE, NOW).opened);
    assert_false(learn(origin, 2, VERDICT_TIMEOUT, NOW).opened);
    assert_int_equal(origin_room(origin, MOST, NOW), MOST);
    assert_true(learn(origin, 3, VERDICT_UNREACHABLE, NOW).opened);
    assert_int_equal(origin_room(origin, MOST, NOW), 0);
    origin_free(origin);
}

/* Its own breaker is for that. */
static void one_endpoint_alone_does_not(void **state) {
    (void)state;
    struct origin *origin = origin_new(1);
    for (int i = 0; i < 100; i++)
        assert_false(learn(origin, i % 2, VERDICT_UNREACHABLE, NOW).opened);
    origin_free(origin);
}

static void any_answer_starts_the_count_anew(void **state) {
    (void)state;
    static const enum verdict answers[] = {VERDICT_DELIVERED, VERDICT_REJECTED, VERDICT_GONE,
                                           VERDICT_THROTTLED, VERDICT_FAILED};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct origin *origin = origin_new(1);
        learn(origin, 1, VERDICT_UNREACHABLE, NOW);
        learn(origin, 2, VERDICT_UNREACHABLE, NOW);
        learn(origin, 9, answers[i], NOW);
        assert_false(learn(origin, 3, VERDICT_UNREACHABLE, NOW).opened);
        origin_free(origin);
    }
}

static void an_answer_that_was_too_slow_is_an_answer(void **state) {
    (void)state;
    struct random random = {5};
    struct outcome began = {.verdict = VERDICT_TIMEOUT, .status_code = 200};
    struct origin *origin = origin_new(1);
    learn(origin, 1, VERDICT_TIMEOUT, NOW);
    learn(origin, 2, VERDICT_TIMEOUT, NOW);
    assert_false(origin_learn(origin, &policy, 3, &began, NOW, &random).opened);
    assert_false(learn(origin, 4, VERDICT_TIMEOUT, NOW).opened);
    origin_free(origin);
}

static void what_never_left_says_nothing(void **state) {
    (void)state;
    static const enum verdict ours[] = {VERDICT_BLOCKED, VERDICT_INVALID, VERDICT_ABORTED};
    struct origin *origin = origin_new(1);
    learn(origin, 1, VERDICT_UNREACHABLE, NOW);
    learn(origin, 2, VERDICT_UNREACHABLE, NOW);
    for (int i = 0; i < 3; i++)
        assert_false(learn(origin, 10 + i, ours[i], NOW).opened);
    assert_true(learn(origin, 3, VERDICT_UNREACHABLE, NOW).opened);
    origin_free(origin);
}

static struct origin *open_origin(void) {
    struct origin *origin = origin_new(1);
    for (int i = 0; i < ORIGIN_SILENT_LANES; i++)
        learn(origin, i, VERDICT_UNREACHABLE, NOW);
    assert_true(origin->breaker.open_until > NOW);
    return origin;
}

static void one_call_looks_whether_it_is_back(void **state) {
    (void)state;
    struct origin *origin = open_origin();
    int64_t until = origin->breaker.open_until;
    assert_int_equal(origin_room(origin, MOST, until - 1), 0);
    assert_int_equal(origin_room(origin, MOST, until), 1);
    origin->n_flying = 1;
    assert_int_equal(origin_room(origin, MOST, until), 0);
    origin->n_flying = 0;
    assert_true(learn(origin, 0, VERDICT_TIMEOUT, until).opened); /* one is enough now */
    assert_true(origin->breaker.open_until > until + 40000);      /* and it lasts longer */
    origin_free(origin);
}

static void an_answer_closes_it(void **state) {
    (void)state;
    struct origin *origin = open_origin();
    int64_t until = origin->breaker.open_until;
    assert_true(learn(origin, 7, VERDICT_FAILED, until).closed);
    assert_int_equal(origin_room(origin, MOST, until), MOST);
    assert_false(learn(origin, 7, VERDICT_FAILED, until).closed); /* it was closed already */
    origin_free(origin);
}

static void calls_under_way_dont_open_it_again(void **state) {
    (void)state;
    struct origin *origin = open_origin();
    int64_t until = origin->breaker.open_until;
    for (int i = 10; i < 20; i++)
        assert_false(learn(origin, i, VERDICT_TIMEOUT, NOW + 1).opened);
    assert_int_equal(origin->breaker.open_until, until);
    origin_free(origin);
}

static void calls_take_its_room(void **state) {
    (void)state;
    struct origin *origin = origin_new(1);
    origin->n_flying = MOST - 1;
    assert_int_equal(origin_room(origin, MOST, NOW), 1);
    origin->n_flying = MOST;
    assert_int_equal(origin_room(origin, MOST, NOW), 0);
    origin_free(origin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_silent_endpoints_open_it),
        cmocka_unit_test(one_endpoint_alone_does_not),
        cmocka_unit_test(any_answer_starts_the_count_anew),
        cmocka_unit_test(an_answer_that_was_too_slow_is_an_answer),
        cmocka_unit_test(what_never_left_says_nothing),
        cmocka_unit_test(one_call_looks_whether_it_is_back),
        cmocka_unit_test(an_answer_closes_it),
        cmocka_unit_test(calls_under_way_dont_open_it_again),
        cmocka_unit_test(calls_take_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
