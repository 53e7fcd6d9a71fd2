/* The scheduler's promise that no endpoint can hurt another, and what a bad one can do to itself.
 */

#include "scheduler_check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct site *site_with_rows(struct model *model, int rows) {
    struct site *site = model_add_site(model);
    model_insert_many(model, site, rows);
    return site;
}

static void assert_all(struct model *model, const struct site *site, enum row_status status) {
    struct row *row;
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        if (row->site == site)
            assert_int_equal(row->status, status);
}

static void hang(struct site *site) {
    site->verdict = VERDICT_TIMEOUT;
    site->latency_ms = 30 * SECOND;
}

/* ---- one endpoint ---------------------------------------------------------------------------- */

static void a_new_endpoint_gets_one_call_until_it_answers(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = site_with_rows(model, 50);
    model_go(model, 40);
    assert_int_equal(site->sent, 1);
    model_go(model, 20);
    assert_int_equal(site->calls, CONCURRENCY_INITIAL);
    model_go(model, 10 * SECOND);
    assert_all(model, site, ROW_DELIVERED);
    assert_true(site->calls_most > CONCURRENCY_INITIAL);
    assert_true(site->calls_most <= 20);
    model_free(model);
}

static void an_endpoint_that_falls_silent_swallows_few_calls(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = site_with_rows(model, 1);
    model_go(model, SECOND);
    hang(site);
    for (int i = 0; i < 600; i++) { /* one row each 100 ms: it never has many at once */
        model_insert(model, site);
        model_go(model, 100);
    }
    /* Three until the first was overdue, and from then on one at a time. */
    assert_in_range(site->sent - 1, 3, 6);
    model_free(model);
}

static void an_own_limit_is_kept(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->max_in_flight = 3;
    model_insert_many(model, site, 100);
    model_go(model, MINUTE);
    assert_int_equal(site->calls_most, 3);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

static void retry_after_holds_all_rows_of_the_endpoint_alone(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *throttled = site_with_rows(model, 30), *other = site_with_rows(model, 30);
    throttled->verdict = VERDICT_THROTTLED;
    throttled->retry_after_ms = 20 * SECOND;
    model_go(model, 19 * SECOND);
    assert_int_equal(throttled->sent, 1);
    assert_all(model, other, ROW_DELIVERED);
    throttled->verdict = VERDICT_DELIVERED;
    throttled->retry_after_ms = -1;
    model_go(model, 10 * SECOND);
    assert_all(model, throttled, ROW_DELIVERED);
    model_free(model);
}

static void an_open_breaker_burns_no_attempts(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = site_with_rows(model, 100);
    site->verdict = VERDICT_UNREACHABLE;
    model_go(model, SECOND);
    struct lane *lane = site_lane(model, site);
    assert_int_equal(site->sent, 5);
    assert_true(lane->breaker.open_until > model->now.mono_ms + 20 * SECOND);
    assert_int_equal(lane->n_window, 0);
    int loads = site->loads;
    int64_t left = lane->breaker.open_until - 1 - model->now.mono_ms;
    model_go(model, left);
    assert_int_equal(site->sent, 5);
    assert_int_equal(site->loads, loads);
    struct row *row;
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        assert_true(row->attempts <= (row->id > 5 ? 0 : 1));

    /* One call decides: first for the worse, then for the better. */
    model_go(model, 500);
    assert_int_equal(site->sent, 6);
    assert_int_equal(lane->breaker.opens, 2);
    site->verdict = VERDICT_DELIVERED;
    site->latency_ms = 100;
    model_go(model, lane->breaker.open_until - model->now.mono_ms + 50);
    assert_int_equal(site->calls, 1);
    assert_int_equal(site->sent, 7);
    model_go(model, 30 * SECOND);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

/* Twenty time-outs of one flight are one piece of news. */
static void a_burst_of_failures_cuts_once(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    model->policy.lane.breaker.failures = 1000;
    scheduler_set_policy(&model->scheduler, &model->policy);
    struct site *site = site_with_rows(model, 400);
    model_go(model, 700);
    struct lane *lane = site_lane(model, site);
    assert_int_equal(lane->n_flying, 20);
    assert_int_equal(lane->concurrency.limit_q8 / 256, 20);
    struct call *call;
    for (int i = 0; i < 20; i++) {
        call = model_first_call(model);
        call->outcome.verdict = VERDICT_FAILED;
        model_complete(model, call);
    }
    assert_int_equal(lane->concurrency.limit_q8 / 256, 14);
    model_free(model);
}

static void a_rate_limit_is_kept(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->rate_limit = 2;
    site->rate_burst = 4;
    model_insert_many(model, site, 100);
    model_go(model, 30 * SECOND);
    assert_in_range(site->sent, 60, 64);
    model_free(model);
}

/* Its breaker lets a call through now and then, so it is noticed in time; and a person gives it as
 * much time anew. */
static void failing_for_too_long_pauses_until_it_is_enabled_again(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    model->policy.lane.disable_after_ms = 24 * HOUR;
    model->policy.retry.max_attempts = 1000;
    scheduler_set_policy(&model->scheduler, &model->policy);
    site->verdict = VERDICT_FAILED;
    model_insert_many(model, site, 5);
    model_go(model, 23 * HOUR);
    assert_true(site->enabled);
    model_go(model, 2 * HOUR);
    assert_false(site->enabled);
    assert_int_equal(site_count(model, site, ROW_PENDING), 5);
    int sent = site->sent;
    model_go(model, 100 * HOUR);
    assert_int_equal(site->sent, sent);

    site->enabled = site->changed = true;
    model_go(model, 23 * HOUR);
    assert_true(site->enabled && site->sent > sent);
    site->verdict = VERDICT_DELIVERED;
    model_go(model, HOUR);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* No row is sent before all that stand before it have ended. */
static void assert_sent_in_order(const struct model *model) {
    for (size_t i = 1; i < model->n_sent; i++)
        assert_true(model->sent_ids[i] >= model->sent_ids[i - 1]);
}

static struct site *ordered_site(struct model *model, int rows) {
    struct site *site = model_add_site(model);
    site->ordered = true;
    for (int i = 0; i < rows; i++)
        model_insert_sized(model, site, model->now.wall_ms + i, CLOCK_NEVER, 10);
    return site;
}

static void an_ordered_endpoint_keeps_its_order_under_failures(void **state) {
    (void)state;
    static const enum verdict moods[] = {VERDICT_FAILED,    VERDICT_DELIVERED, VERDICT_TIMEOUT,
                                         VERDICT_DELIVERED, VERDICT_THROTTLED, VERDICT_REJECTED};
    struct model *model = model_new(5, 100);
    struct site *site = ordered_site(model, 200);
    for (int i = 0; i < 3000 && site_count(model, site, ROW_PENDING); i++) {
        site->verdict = moods[random_below(&model->random, 6)];
        site->retry_after_ms = site->verdict == VERDICT_THROTTLED ? 3 * SECOND : -1;
        model_go(model, SECOND);
        if (i % 10 == 0)
            model_insert(model, site);
    }
    site->verdict = VERDICT_DELIVERED;
    model_go(model, 10 * HOUR);
    assert_int_equal(site->calls_most, 1);
    assert_sent_in_order(model);
    assert_int_equal(site_count(model, site, ROW_PENDING), 0);
    model_free(model);
}

static void an_ordered_endpoint_keeps_its_order_when_it_was_gone(void **state) {
    (void)state;
    struct model *model = model_new(5, 100);
    struct site *site = ordered_site(model, 10);
    model_go(model, 70);
    site->verdict = VERDICT_GONE;
    model_go(model, HOUR);
    assert_false(site->enabled);
    site->verdict = VERDICT_DELIVERED;
    site->enabled = site->changed = true;
    model_go(model, MINUTE);
    assert_sent_in_order(model);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

static void an_ordered_endpoint_keeps_its_order_over_edits(void **state) {
    (void)state;
    struct model *model = model_new(5, 100);
    struct site *site = ordered_site(model, 100);
    for (int i = 0; i < 300; i++) {
        site->verdict = i % 3 ? VERDICT_DELIVERED : VERDICT_FAILED;
        site->enabled = i % 7 != 0;
        site->changed = i % 2;
        model_go(model, 730);
    }
    site->verdict = VERDICT_DELIVERED;
    site->enabled = site->changed = true;
    model_go(model, 10 * HOUR);
    assert_sent_in_order(model);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

/* A new scheduler knows of the failed attempt by the row alone, as after a restart. */
static void an_ordered_endpoint_waits_for_its_retry_over_a_restart(void **state) {
    (void)state;
    struct model *model = model_new(5, 100);
    struct site *site = ordered_site(model, 3);
    model_row(model, 1)->retry_at = model->now.wall_ms + HOUR;
    model_go(model, HOUR - SECOND);
    assert_int_equal(site->sent, 0);
    assert_int_equal(model->scheduler.lanes.loader.n_rows, 0);
    model_go(model, 2 * SECOND);
    assert_sent_in_order(model);
    assert_all(model, site, ROW_DELIVERED);

    struct site *other = model_add_site(model); /* without order nobody waits for another's retry */
    model_insert(model, other)->retry_at = model->now.wall_ms + HOUR;
    model_go(model, SECOND);
    assert_all(model, other, ROW_DELIVERED);
    model_free(model);
}

/* ---- many endpoints -------------------------------------------------------------------------- */

enum { HEALTHY = 300, HUNG = 30, SLOTS = 128 };

/* Each healthy site gets a row a second, not all in the same instant. */
static void go_with_arrivals(struct model *model, int from, int to, int seconds) {
    for (int tick = 0; tick < seconds * 20; tick++) {
        for (int i = from; i < to; i++)
            if (i % 20 == tick % 20)
                model_insert(model, &model->sites[i]);
        model_go(model, 50);
    }
}

static int64_t wait_most(const struct model *model, int from, int to) {
    int64_t most = 0;
    for (int i = from; i < to; i++)
        if (model->sites[i].wait_most_ms > most)
            most = model->sites[i].wait_most_ms;
    return most;
}

static void hung_endpoints_delay_nobody(void **state) {
    (void)state;
    struct model *model = model_new(1, SLOTS);
    for (int i = 0; i < HUNG; i++)
        hang(site_with_rows(model, 100));
    for (int i = 0; i < HEALTHY; i++)
        model_add_site(model);
    model_go(model, 0);
    go_with_arrivals(model, HUNG, HUNG + HEALTHY, 40);
    assert_true(wait_most(model, HUNG, HUNG + HEALTHY) <= 100);
    for (int i = HUNG; i < HUNG + HEALTHY; i++)
        assert_int_equal(model->sites[i].sent, 40);
    model_free(model);
}

/* Many more silent endpoints than rows that may be loaded: those that wait hold none. */
static void crowds_that_hang_leave_room_to_load(void **state) {
    (void)state;
    struct model *model = model_new(1, 16);
    model->policy.load.max_rows = 64;
    scheduler_set_policy(&model->scheduler, &model->policy);
    struct site *healthy = model_add_site(model);
    model_insert(model, healthy);
    model_go(model, SECOND);
    for (int i = 0; i < 400; i++)
        hang(site_with_rows(model, 1));
    model_go(model, 0);
    go_with_arrivals(model, 0, 1, 100); /* past the first time-outs of the others */
    assert_int_equal(healthy->sent, 1 + 100);
    assert_true(wait_most(model, 0, 1) <= 100);
    model_free(model);
}

/* The calls of large payloads hang, and hold all the bytes that large ones may have. */
static void large_payloads_that_hang_delay_no_small_ones(void **state) {
    (void)state;
    struct model *model = model_new(1, 64);
    struct site *healthy = model_add_site(model);
    model_insert(model, healthy);
    model_go(model, SECOND);
    for (int i = 0; i < 3; i++) {
        struct site *site = model_add_site(model);
        hang(site);
        model_insert_sized(model, site, model->now.wall_ms, CLOCK_NEVER, 8 << 20);
    }
    model_go(model, 0);
    go_with_arrivals(model, 0, 1, 20);
    assert_int_equal(healthy->sent, 1 + 20);
    assert_true(wait_most(model, 0, 1) <= 100);
    model_free(model);
}

/* They had been healthy, so that each may have several calls when it begins to hang. */
static void endpoints_that_begin_to_hang_delay_nobody(void **state) {
    (void)state;
    struct model *model = model_new(1, SLOTS);
    for (int i = 0; i < HUNG + HEALTHY; i++)
        model_add_site(model);
    model_go(model, 0);
    go_with_arrivals(model, 0, HUNG + HEALTHY, 5);
    for (int i = 0; i < HUNG; i++)
        hang(&model->sites[i]);
    go_with_arrivals(model, 0, HUNG + HEALTHY, 40);
    assert_true(wait_most(model, HUNG, HUNG + HEALTHY) <= 100);
    model_free(model);
}

/* One that has a million rows, and is fine, does not make the others wait. */
static void a_hoarder_delays_nobody(void **state) {
    (void)state;
    struct model *model = model_new(1, 16);
    struct site *hoarder = site_with_rows(model, 20000);
    for (int i = 0; i < 40; i++)
        model_add_site(model);
    model_go(model, 5 * SECOND);
    assert_int_equal(hoarder->calls, 12); /* all that its origin may have */
    go_with_arrivals(model, 1, 41, 10);
    /* A slot is free again as soon as one of its calls ends. */
    assert_true(wait_most(model, 1, 41) <= 150);
    assert_true(hoarder->sent > 1000);
    model_free(model);
}

/* It had all that it was allowed to have under way when it fell silent. */
static void a_hoarder_that_begins_to_hang_delays_nobody(void **state) {
    (void)state;
    struct model *model = model_new(1, 16);
    model->policy.lane.share_max = 8;
    scheduler_set_policy(&model->scheduler, &model->policy);
    struct site *hoarder = site_with_rows(model, 20000);
    for (int i = 0; i < 20; i++)
        model_add_site(model);
    model_go(model, 5 * SECOND);
    assert_int_equal(hoarder->calls, 8);
    hang(hoarder);
    go_with_arrivals(model, 1, 21, 60);
    assert_true(wait_most(model, 1, 21) <= 150);
    model_free(model);
}

/* Who holds slots longer goes first less often: both have as much slot-time. */
static void slow_answers_pay_for_their_time(void **state) {
    (void)state;
    struct model *model = model_new(1, 8);
    struct site *slow = site_with_rows(model, 4000), *fast = site_with_rows(model, 4000);
    slow->latency_ms = 200;
    fast->latency_ms = 20;
    model_go(model, 10 * SECOND);
    int slow_before = slow->sent, fast_before = fast->sent;
    model_go(model, 10 * SECOND);
    int64_t slow_ms = (int64_t)(slow->sent - slow_before) * 200;
    int64_t fast_ms = (int64_t)(fast->sent - fast_before) * 20;
    assert_true(fast_ms * 100 > slow_ms * 80);
    assert_true(slow_ms * 100 > fast_ms * 80);
    model_free(model);
}

/* A call is charged in advance for what it is expected to take, and in the end for what it took. */
static void a_call_costs_what_it_took(void **state) {
    (void)state;
    struct model *model = model_new(1, 8);
    struct site *site = site_with_rows(model, 1);
    site->latency_ms = 700;
    model_go(model, 100);
    struct lane *lane = site_lane(model, site);
    assert_int_equal(lane->virtual_ms, 10); /* the least: nothing is known of it */
    model_go(model, SECOND);
    assert_int_equal(lane->virtual_ms, 700);
    hang(site);
    model_insert(model, site);
    model_go(model, 30 * SECOND + 100);
    assert_int_equal(lane->virtual_ms, model->scheduler.virtual_ms + 10 * SECOND); /* the most */
    model_free(model);
}

static void all_come_back_after_an_outage(void **state) {
    (void)state;
    struct model *model = model_new(1, 32);
    for (int i = 0; i < 200; i++)
        site_with_rows(model, 20)->verdict = VERDICT_UNREACHABLE;
    model_go(model, 10 * MINUTE);
    for (int i = 0; i < 200; i++)
        model->sites[i].verdict = VERDICT_DELIVERED;
    model_go(model, 3 * HOUR);
    for (int i = 0; i < 200; i++)
        assert_all(model, &model->sites[i], ROW_DELIVERED);
    model_free(model);
}

/* ---- a single slot --------------------------------------------------------------------------- */

static void a_single_slot_serves_all_in_turn(void **state) {
    (void)state;
    struct model *model = model_new(1, 1);
    for (int i = 0; i < 20; i++)
        site_with_rows(model, 10);
    hang(&model->sites[3]);
    model_go(model, HOUR);
    for (int i = 0; i < 20; i++)
        if (i != 3)
            assert_all(model, &model->sites[i], ROW_DELIVERED);
    model_free(model);
}

/* The lane that waits longest for the unproven ones' share may turn out to need no slot: then the
 * next one must have it. */
static void a_share_that_is_not_used_goes_on(void **state) {
    (void)state;
    struct model *model = model_new(1, 2);
    struct site *first = site_with_rows(model, 1);
    first->latency_ms = 5 * SECOND;
    model_go(model, 100);
    struct site *second = model_add_site(model), *third = model_add_site(model);
    model_insert_sized(model, second, model->now.wall_ms, model->now.wall_ms + SECOND, 10);
    model_go(model, 10);
    model_insert(model, third);
    model_go(model, 10);
    assert_int_equal(site_lane(model, second)->state, LANE_PARKED);
    assert_int_equal(site_lane(model, third)->state, LANE_PARKED);
    model_go(model, MINUTE);
    assert_int_equal(second->sent, 0);
    assert_all(model, second, ROW_EXPIRED);
    assert_all(model, third, ROW_DELIVERED);
    model_free(model);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void few_loaded_rows_are_enough(void **state) {
    (void)state;
    struct model *model = model_new(1, 50);
    model->policy.load.max_rows = 3;
    scheduler_set_policy(&model->scheduler, &model->policy);
    for (int i = 0; i < 10; i++)
        site_with_rows(model, 30);
    model_go(model, MINUTE);
    for (int i = 0; i < 10; i++)
        assert_all(model, &model->sites[i], ROW_DELIVERED);
    model_free(model);
}

/* Payloads up to all of the memory, among endpoints that always want more of it. */
static void a_large_payload_gets_its_turn(void **state) {
    (void)state;
    static const size_t sizes[] = {300 << 10, 900 << 10, 1 << 20, 5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct model *model = model_new(1, 64);
        model->policy.load.max_bytes = 1 << 20;
        scheduler_set_policy(&model->scheduler, &model->policy);
        for (int j = 0; j < 8; j++) {
            struct site *site = model_add_site(model);
            for (int k = 0; k < 2000; k++)
                model_insert_sized(model, site, model->now.wall_ms, CLOCK_NEVER, 20 << 10);
        }
        model_go(model, 5 * SECOND);
        struct site *large = model_add_site(model);
        struct row *row =
            model_insert_sized(model, large, model->now.wall_ms, CLOCK_NEVER, sizes[i]);
        model_go(model, 2 * SECOND);
        assert_int_equal(row->status, ROW_DELIVERED);
        size_t sent = model->n_sent;
        model_go(model, SECOND);
        assert_true(model->n_sent > sent + 50); /* and the others go on */
        model_free(model);
    }
}

static void large_payloads_alone(void **state) {
    (void)state;
    struct model *model = model_new(1, 64);
    model->policy.load.max_bytes = 1 << 20;
    scheduler_set_policy(&model->scheduler, &model->policy);
    for (int i = 0; i < 4; i++) {
        struct site *site = model_add_site(model);
        for (int j = 0; j < 30; j++)
            model_insert_sized(model, site, model->now.wall_ms, CLOCK_NEVER,
                               j % 2 ? 700 << 10 : 3 << 20);
    }
    model_go(model, MINUTE);
    for (int i = 0; i < 4; i++)
        assert_all(model, &model->sites[i], ROW_DELIVERED);
    model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_endpoint_gets_one_call_until_it_answers),
        cmocka_unit_test(an_endpoint_that_falls_silent_swallows_few_calls),
        cmocka_unit_test(an_own_limit_is_kept),
        cmocka_unit_test(retry_after_holds_all_rows_of_the_endpoint_alone),
        cmocka_unit_test(an_open_breaker_burns_no_attempts),
        cmocka_unit_test(a_burst_of_failures_cuts_once),
        cmocka_unit_test(a_rate_limit_is_kept),
        cmocka_unit_test(failing_for_too_long_pauses_until_it_is_enabled_again),
        cmocka_unit_test(an_ordered_endpoint_keeps_its_order_under_failures),
        cmocka_unit_test(an_ordered_endpoint_keeps_its_order_when_it_was_gone),
        cmocka_unit_test(an_ordered_endpoint_keeps_its_order_over_edits),
        cmocka_unit_test(an_ordered_endpoint_waits_for_its_retry_over_a_restart),
        cmocka_unit_test(hung_endpoints_delay_nobody),
        cmocka_unit_test(crowds_that_hang_leave_room_to_load),
        cmocka_unit_test(large_payloads_that_hang_delay_no_small_ones),
        cmocka_unit_test(endpoints_that_begin_to_hang_delay_nobody),
        cmocka_unit_test(a_hoarder_delays_nobody),
        cmocka_unit_test(a_hoarder_that_begins_to_hang_delays_nobody),
        cmocka_unit_test(slow_answers_pay_for_their_time),
        cmocka_unit_test(a_call_costs_what_it_took),
        cmocka_unit_test(all_come_back_after_an_outage),
        cmocka_unit_test(a_single_slot_serves_all_in_turn),
        cmocka_unit_test(a_share_that_is_not_used_goes_on),
        cmocka_unit_test(few_loaded_rows_are_enough),
        cmocka_unit_test(a_large_payload_gets_its_turn),
        cmocka_unit_test(large_payloads_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
