/* What people are told of a lane that is held up. */

#include "outhook/delivery/gate.h"

#include "outhook/delivery/scheduler_gates.h"

#include "scheduler_check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct gate gate_of(struct model *model, const struct site *site) {
    return gate_of_lane(site_lane(model, site), &model->policy.lane, model->now);
}

static struct site *busy_site(struct model *model) {
    struct site *site = model_add_site(model);
    model_insert_many(model, site, 200);
    return site;
}

static void words(void **state) {
    (void)state;
    assert_string_equal(gate_name(GATE_NONE), "none");
    assert_string_equal(gate_name(GATE_RETRY_AFTER), "retry_after");
    assert_string_equal(gate_name(GATE_CROWDED), "crowded");
}

static void nothing_to_send_is_held_up_by_nothing(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    model_insert_sized(model, site, model->now.wall_ms + HOUR, CLOCK_NEVER, 100);
    model_go(model, 10);
    assert_int_equal(site_lane(model, site)->state, LANE_WAITING);
    assert_int_equal(gate_of(model, site).kind, GATE_NONE); /* due in an hour */
    model_free(model);
}

static void a_breaker_until_it_opens(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = busy_site(model);
    site->verdict = VERDICT_FAILED;
    model_go(model, 2 * SECOND);
    struct gate gate = gate_of(model, site);
    struct lane *lane = site_lane(model, site);
    assert_int_equal(gate.kind, GATE_BREAKER);
    assert_int_equal(gate.until_at,
                     model->now.wall_ms + lane->breaker.open_until - model->now.mono_ms);
    site->latency_ms = 5 * SECOND; /* the call that looks whether it is back */
    model_go(model, lane->breaker.open_until - model->now.mono_ms + 1);
    gate = gate_of(model, site);
    assert_int_equal(gate.kind, GATE_BREAKER);
    assert_int_equal(gate.until_at, 0);
    assert_int_equal(gate.in_flight, 1);
    model_free(model);
}

static void retry_after_until_it_is_over(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = busy_site(model);
    site->verdict = VERDICT_THROTTLED;
    site->retry_after_ms = 60 * SECOND;
    model_go(model, SECOND);
    struct gate gate = gate_of(model, site);
    assert_int_equal(gate.kind, GATE_RETRY_AFTER);
    assert_in_range(gate.until_at - model->now.wall_ms, 58 * SECOND, 60 * SECOND);
    model_free(model);
}

static void an_ordered_one_waits_for_its_first_row(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->ordered = true;
    site->verdict = VERDICT_FAILED;
    model_insert_many(model, site, 3);
    model_go(model, SECOND);
    assert_int_equal(gate_of(model, site).kind, GATE_ORDER);
    assert_true(gate_of(model, site).until_at > model->now.wall_ms);
    model_free(model);
}

static void a_rate_limit(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->rate_limit = 1;
    model_insert_many(model, site, 50);
    model_go(model, 2500);
    assert_int_equal(gate_of(model, site).kind, GATE_RATE);
    assert_int_equal(gate_of(model, site).until_at, 0);
    model_free(model);
}

static void n_calls_of_m(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->max_in_flight = 3;
    model_insert_many(model, site, 200);
    model_go(model, SECOND + 10);
    struct gate gate = gate_of(model, site);
    assert_int_equal(gate.kind, GATE_CONCURRENCY);
    assert_int_equal(gate.in_flight, 3);
    assert_int_equal(gate.limit, 3);
    model_free(model);
}

static void an_answer_that_is_owed(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = busy_site(model);
    model_go(model, 200);
    site->latency_ms = 30 * SECOND;
    site->verdict = VERDICT_TIMEOUT;
    for (int i = 0; i < 20; i++) {
        model_insert(model, site);
        model_go(model, 200);
    }
    struct gate gate = gate_of(model, site);
    assert_true(gate.kind == GATE_OVERDUE || gate.kind == GATE_CONCURRENCY);
    assert_true(gate.in_flight > 0);
    model_free(model);
}

static void unproven_ones_wait_for_their_share(void **state) {
    (void)state;
    struct model *model = model_new(1, 4);
    struct site *sites[4];
    for (int i = 0; i < 4; i++) {
        sites[i] = busy_site(model);
        sites[i]->latency_ms = 30 * SECOND;
    }
    model_go(model, SECOND);
    int unproven = 0, concurrency = 0;
    for (int i = 0; i < 4; i++) {
        unproven += gate_of(model, sites[i]).kind == GATE_UNPROVEN;
        concurrency += gate_of(model, sites[i]).kind == GATE_CONCURRENCY;
    }
    assert_int_equal(unproven, 2);
    assert_int_equal(concurrency, 2); /* 1 of 1 */
    model_free(model);
}

static void a_silent_host_holds_all_up(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    for (int i = 0; i < 5; i++) {
        struct site *site = model_add_site(model);
        strcpy(site->url, "https://shared.example/");
        site->verdict = VERDICT_UNREACHABLE;
        model_insert_many(model, site, 50);
    }
    model_go(model, 20 * SECOND);
    int held = 0;
    for (int i = 0; i < 5; i++)
        held += gate_of(model, &model->sites[i]).kind == GATE_ORIGIN &&
                gate_of(model, &model->sites[i]).until_at > model->now.wall_ms;
    assert_true(held >= 2);
    model_free(model);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void told_once_and_when_it_is_over(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct gate_change changes[10];
    struct site *site = model_add_site(model);
    site->max_in_flight = 1;
    site->latency_ms = 10 * SECOND;
    model_insert_many(model, site, 2);
    model_go(model, SECOND);
    /* What is there at one look may be gone at the next. */
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 10, model->now), 0);
    assert_true(scheduler_has_moved(&model->scheduler));
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 10, model->now), 1);
    assert_int_equal(changes[0].endpoint_id, site->id);
    assert_int_equal(changes[0].gate.kind, GATE_CONCURRENCY);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 10, model->now), 0);
    assert_false(scheduler_has_moved(&model->scheduler)); /* and nobody looks any more */
    model_go(model, MINUTE);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 10, model->now), 0);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 10, model->now), 1);
    assert_int_equal(changes[0].gate.kind, GATE_NONE);
    model_free(model);
}

static void a_time_is_told_at_once(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct gate_change changes[10];
    struct site *site = busy_site(model);
    site->verdict = VERDICT_FAILED;
    model_go(model, 2 * SECOND);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 10, model->now), 1);
    assert_int_equal(changes[0].gate.kind, GATE_BREAKER);
    model_free(model);
}

static void no_more_than_asked_for(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct gate_change changes[2];
    for (int i = 0; i < 5; i++) {
        struct site *site = busy_site(model);
        site->verdict = VERDICT_FAILED;
    }
    model_go(model, 5 * SECOND);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 2, model->now), 2);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 2, model->now), 2);
    assert_int_equal(scheduler_gates(&model->scheduler, changes, 2, model->now), 1);
    model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(nothing_to_send_is_held_up_by_nothing),
        cmocka_unit_test(a_breaker_until_it_opens),
        cmocka_unit_test(retry_after_until_it_is_over),
        cmocka_unit_test(an_ordered_one_waits_for_its_first_row),
        cmocka_unit_test(a_rate_limit),
        cmocka_unit_test(n_calls_of_m),
        cmocka_unit_test(an_answer_that_is_owed),
        cmocka_unit_test(unproven_ones_wait_for_their_share),
        cmocka_unit_test(a_silent_host_holds_all_up),
        cmocka_unit_test(told_once_and_when_it_is_over),
        cmocka_unit_test(a_time_is_told_at_once),
        cmocka_unit_test(no_more_than_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
