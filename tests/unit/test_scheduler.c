/* The scheduler against a store in memory: what is sent when, and what must not be. */

#include "scheduler_check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* A site that has answered once, so that it may have several calls under way. */
static struct site *proven_site(struct model *model) {
    struct site *site = model_add_site(model);
    model_insert(model, site);
    model_go(model, SECOND);
    assert_true(site_lane(model, site)->concurrency.proven);
    return site;
}

static void assert_all(struct model *model, const struct site *site, enum row_status status) {
    struct row *row;
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        if (row->site == site)
            assert_int_equal(row->status, status);
}

/* ---- the ordinary ---------------------------------------------------------------------------- */

static void delivers_what_is_inserted(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    for (int i = 0; i < 5; i++)
        model_insert_many(model, model_add_site(model), 40);
    model_go(model, MINUTE);
    for (int i = 0; i < 5; i++) {
        assert_all(model, &model->sites[i], ROW_DELIVERED);
        assert_int_equal(model->sites[i].sent, 40);
        assert_int_equal(site_lane(model, &model->sites[i])->state, LANE_IDLE);
    }
    assert_int_equal(model->scheduler.lanes.loader.n_rows, 0);
    model_free(model);
}

static void waits_for_rows_of_the_future(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    model_insert_sized(model, site, model->now.wall_ms + 90 * SECOND, CLOCK_NEVER, 10);
    model_go(model, 89 * SECOND);
    assert_int_equal(site->sent, 0);
    assert_int_equal(site_lane(model, site)->state, LANE_WAITING);
    model_insert_sized(model, site, model->now.wall_ms + 200, CLOCK_NEVER, 10); /* earlier */
    model_go(model, 300);
    assert_int_equal(site->sent, 1);
    model_go(model, SECOND);
    assert_int_equal(site->sent, 2);
    assert_int_equal(site->wait_most_ms, 0); /* to the millisecond */
    model_free(model);
}

static void rows_of_an_unknown_endpoint_are_news(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    assert_false(scheduler_noticed(&model->scheduler, 77, 5, model->now));
    scheduler_endpoint_gone(&model->scheduler, 77);
    model_check(model);
    model_free(model);
}

static void retries_until_the_budget_is_used(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->verdict = VERDICT_REJECTED;
    site->max_attempts = 4;
    struct row *row = model_insert(model, site);
    model_go(model, HOUR);
    assert_int_equal(row->status, ROW_FAILED);
    assert_int_equal(row->attempts, 4);
    assert_int_equal(site->sent, 4);
    model_free(model);
}

static void what_cant_be_sent_is_not_tried_again(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->verdict = VERDICT_INVALID;
    struct row *row = model_insert(model, site);
    model_go(model, HOUR);
    assert_int_equal(row->status, ROW_FAILED);
    assert_int_equal(site->sent, 1);
    model_free(model);
}

/* ---- messages that cross --------------------------------------------------------------------- */

/* A load's answer was on its way when the retry was decided: it must not make the lane forget it.
 */
static void a_retry_is_not_lost_behind_a_load(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = proven_site(model);
    struct row *row = model_insert(model, site);
    site->verdict = VERDICT_FAILED;
    model_look(model);
    while (model_take(model))
        ;
    model_run(model); /* asks for a load */
    assert_true(model_serve(model));
    assert_true(model_take(model));
    model_run(model); /* sends it */
    scheduler_noticed(&model->scheduler, site->id, model->now.wall_ms, model->now);
    model_run(model); /* asks for another one, which finds nothing */
    model_complete(model, model_first_call(model));
    while (model_serve(model))
        ;
    assert_true(model_take(model)); /* the load: no row is left */
    assert_true(site_lane(model, site)->next_due == CLOCK_NEVER);
    model_commit(model);
    assert_true(model_take(model)); /* the outcome: it is pending again */
    assert_true(site_lane(model, site)->next_due == row->due_at);
    site->verdict = VERDICT_DELIVERED;
    model_go(model, MINUTE);
    assert_int_equal(row->status, ROW_DELIVERED);
    model_free(model);
}

/* Of bare URLs there may be any number: only so many idle ones are kept, and one that was dropped
 * comes back with its next row. */
static void idle_bare_urls_are_dropped(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    model->policy.max_idle = 2;
    scheduler_set_policy(&model->scheduler, &model->policy);
    struct site *named = model_add_site(model);
    model_insert(model, named);
    struct site *bare[5];
    for (int i = 0; i < 5; i++) {
        bare[i] = model_add_site(model);
        bare[i]->named = false;
        model_insert(model, bare[i]);
        model_go(model, SECOND);
    }
    assert_int_equal(model->n_forgotten, 3); /* those that have been idle longest */
    assert_null(site_lane(model, bare[2]));
    assert_non_null(site_lane(model, bare[3]));
    assert_non_null(site_lane(model, named));
    model_insert(model, bare[0]);
    model_go(model, SECOND);
    assert_int_equal(site_count(model, bare[0], ROW_DELIVERED), 2);
    assert_int_equal(model->scheduler.n_forgetting, 0);
    model_free(model);
}

/* A row was noticed, and its lane dropped before the loop heard of that. */
static void a_notice_of_a_dropped_lane_is_not_lost(void **state) {
    (void)state;
    struct model *model = model_new(1, 100);
    struct site *site = model_add_site(model);
    site->named = false;
    model_insert(model, site);
    model_go(model, SECOND);
    model_insert(model, site);
    model_look(model);
    model->policy.max_idle = 0;
    scheduler_set_policy(&model->scheduler, &model->policy);
    model_run(model);
    assert_null(site_lane(model, site));
    model_go(model, SECOND);
    assert_int_equal(site_count(model, site, ROW_DELIVERED), 2);
    model_free(model);
}

/* Rows are given back while a load is under way, whose answer then knows nothing of them. */
static void a_load_that_overtakes_rows_given_back(void **state) {
    (void)state;
    struct model *model = model_new(1, 1); /* a single slot: the other rows stay in the window */
    struct site *site = proven_site(model);
    model_insert_many(model, site, 12);
    struct lane *lane = site_lane(model, site);
    model_look(model);
    while (model_take(model))
        ;
    model_run(model);
    assert_true(model_serve(model));
    assert_true(model_take(model));
    model_run(model);
    assert_int_equal(lane->n_flying, 1);
    assert_true(lane->n_window > 1);
    int64_t first_due = container_of(list_first(&lane->window), struct delivery, link)->due_at;
    site->retry_after_ms = 20 * SECOND;
    while (lane->load != LOAD_SENT && model_first_call(model)) { /* until it reads ahead */
        model_complete(model, model_first_call(model));
        while (model_serve(model))
            ;
        model_commit(model);
        while (model_take(model))
            ;
        model_run(model);
    }
    assert_int_equal(lane->load, LOAD_SENT);
    struct call *call = model_first_call(model);
    call->outcome = (struct outcome){.verdict = VERDICT_THROTTLED, .retry_after_ms = 20 * SECOND};
    model_complete(model, call);
    model_check(model);
    assert_int_equal(lane->n_window, 0);
    assert_true(lane->drop_load);
    model_settle(model);
    assert_true(lane->next_due <= first_due + MINUTE);
    assert_false(lane->drop_load);
    site->retry_after_ms = -1;
    model_go(model, 10 * MINUTE);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

/* The writer is locked out: as many calls are made as there may be outcomes that wait for it. */
static void a_store_that_cant_write_stops_the_dispatch(void **state) {
    (void)state;
    struct model *model = model_new(1, 8);
    struct site *sites[4];
    for (int i = 0; i < 4; i++)
        sites[i] = proven_site(model);
    int before = (int)model->n_sent;
    model->locked = true;
    for (int i = 0; i < 4; i++)
        model_insert_many(model, sites[i], 50);
    model_go(model, 10 * MINUTE);
    assert_int_equal((int)model->n_sent - before, 8 + 4);
    assert_int_equal(model->scheduler.slots.n_unwritten, 8 + 4);
    model->locked = false;
    model_go(model, MINUTE);
    for (int i = 0; i < 4; i++)
        assert_all(model, sites[i], ROW_DELIVERED);
    model_free(model);
}

/* ---- people ---------------------------------------------------------------------------------- */

static void a_cancelled_row_that_was_loaded_is_not_sent(void **state) {
    (void)state;
    struct model *model = model_new(1, 1);
    struct site *site = proven_site(model);
    struct row *rows[5];
    for (int i = 0; i < 5; i++)
        rows[i] = model_insert(model, site);
    model_go(model, 0);
    assert_true(rows[0]->flying);
    assert_true(rows[2]->handed_out);
    model_cancel(model, rows[2]);
    model_go(model, MINUTE);
    assert_int_equal(rows[2]->attempts, 0);
    assert_int_equal(rows[2]->status, ROW_CANCELLED);
    assert_int_equal(site_count(model, site, ROW_DELIVERED), 5);
    model_free(model);
}

static void a_row_cancelled_under_way_ends_with_its_call(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    site->verdict = VERDICT_FAILED;
    struct row *row = model_insert(model, site);
    model_go(model, 10);
    assert_true(row->flying);
    model_cancel(model, row);
    model_go(model, HOUR);
    assert_int_equal(site->sent, 1);
    assert_int_equal(row->status, ROW_CANCELLED);
    assert_int_equal(site_lane(model, site)->state, LANE_IDLE);
    model_free(model);
}

static void a_replay_is_sent_again_at_once(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    struct row *row = model_insert(model, site);
    model_go(model, HOUR);
    assert_int_equal(row->status, ROW_DELIVERED);
    model_replay(model, row);
    model_go(model, 100);
    assert_int_equal(row->status, ROW_DELIVERED);
    assert_int_equal(site->sent, 2);
    /* Cancelled and replayed while it is under way: never twice at once, and it ends. */
    model_replay(model, row);
    model_go(model, 10);
    assert_true(row->flying);
    model_cancel(model, row);
    model_go(model, 10);
    model_replay(model, row);
    model_go(model, SECOND);
    assert_int_equal(row->status, ROW_DELIVERED);
    assert_int_equal(site->sent, 3);
    model_free(model);
}

static void gone_pauses_until_it_is_enabled_again(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    site->verdict = VERDICT_GONE;
    model_insert_many(model, site, 5);
    model_go(model, HOUR);
    assert_false(site->enabled);
    assert_int_equal(site->sent, 1);
    assert_int_equal(site_count(model, site, ROW_PENDING), 5);
    assert_int_equal(site_lane(model, site)->state, LANE_PAUSED);
    assert_int_equal(model->scheduler.lanes.loader.n_rows, 0); /* nothing is kept for it */
    site->verdict = VERDICT_DELIVERED;
    site->enabled = site->changed = true;
    model_go(model, SECOND);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

/* Nobody could enable it again. */
static void gone_at_a_bare_url_fails_the_row_alone(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    site->named = false;
    site->verdict = VERDICT_GONE;
    model_insert_many(model, site, 3);
    model_go(model, MINUTE);
    assert_all(model, site, ROW_FAILED);
    assert_int_equal(site->sent, 3);
    assert_true(site->enabled);
    model_free(model);
}

static void disabled_sends_nothing_and_lets_calls_end(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = proven_site(model);
    model_insert_many(model, site, 20);
    model_go(model, 10);
    int under_way = site->calls;
    assert_true(under_way > 1);
    site->enabled = false;
    site->changed = true;
    model_go(model, HOUR);
    assert_int_equal(site->sent, 1 + under_way);
    assert_int_equal(site_count(model, site, ROW_DELIVERED), 1 + under_way);
    model_free(model);
}

static void edit_url(struct site *site) {
    snprintf(site->url, sizeof site->url, "https://elsewhere%d.example/", (int)site->id);
    site->changed = true;
}

static void another_url_is_another_place(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = proven_site(model);
    struct lane *lane = site_lane(model, site);
    site->verdict = VERDICT_FAILED;
    model_insert_many(model, site, 20);
    model_go(model, 5 * SECOND);
    assert_true(lane->breaker.open_until > model->now.mono_ms);
    site->verdict = VERDICT_DELIVERED;
    site->max_in_flight = 10; /* another setting: what was learned still holds */
    site->changed = true;
    model_settle(model);
    assert_true(lane->breaker.open_until > model->now.mono_ms);
    edit_url(site);
    model_go(model, MINUTE);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

/* Calls that began at the old URL end after the edit: their news is of the old place. */
static void old_calls_say_nothing_of_a_new_url(void **state) {
    (void)state;
    static const enum verdict verdicts[] = {VERDICT_DELIVERED, VERDICT_TIMEOUT, VERDICT_GONE,
                                            VERDICT_THROTTLED};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        struct model *model = model_new(1, 10);
        struct site *site = model_add_site(model);
        struct lane *lane;
        site->verdict = verdicts[i];
        site->retry_after_ms = verdicts[i] == VERDICT_THROTTLED ? HOUR : -1;
        site->latency_ms = 5 * SECOND;
        model_insert(model, site);
        model_go(model, SECOND);
        assert_int_equal(site->calls, 1);
        edit_url(site);
        site->verdict = VERDICT_DELIVERED;
        site->latency_ms = 50;
        model_settle(model);
        model_complete(model, model_first_call(model));
        lane = site_lane(model, site);
        assert_false(lane->concurrency.proven);
        assert_int_equal(lane->hold_until, 0);
        assert_int_equal(lane->breaker.failures_in_a_row, 0);
        model_go(model, 2 * HOUR);
        assert_true(site->enabled);
        assert_all(model, site, ROW_DELIVERED);
        model_free(model);
    }
}

static void a_new_rate_limit_holds_at_once(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    site->rate_limit = 0.001; /* one in a thousand seconds */
    model_insert_many(model, site, 5);
    model_go(model, 10 * SECOND);
    assert_int_equal(site->sent, 1);
    site->rate_limit = 10;
    site->changed = true;
    model_go(model, 2 * SECOND);
    assert_all(model, site, ROW_DELIVERED);
    model_free(model);
}

static void an_endpoint_that_goes_while_calls_are_under_way(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = proven_site(model);
    struct row *row;
    model_insert_many(model, site, 10);
    model_go(model, 10);
    assert_true(site->calls > 1);
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        if (row->status == ROW_PENDING)
            model_cancel(model, row);
    site->exists = false;
    model_settle(model);
    assert_non_null(site_lane(model, site)); /* as long as its calls last */
    model_go(model, SECOND);
    assert_null(site_lane(model, site));
    assert_int_equal(model->scheduler.lanes.loader.n_rows, 0);
    model_free(model);
}

static void an_endpoint_that_goes_while_a_load_is_under_way(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    struct row *row = model_insert(model, site);
    model_look(model);
    while (model_take(model))
        ;
    model_run(model);
    assert_true(model_serve(model)); /* the row is in the answer */
    model_cancel(model, row);
    site->exists = false;
    scheduler_endpoint_gone(&model->scheduler, site->id);
    site->told = false;
    model_check(model);
    assert_true(model_take(model));
    model_check(model);
    assert_null(site_lane(model, site));
    model_settle(model);
    assert_int_equal(site->sent, 0);
    assert_int_equal(model->handed_out.count, 0);
    model_free(model);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void an_expired_row_ends_without_a_call(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    site->enabled = false;
    struct row *late =
        model_insert_sized(model, site, model->now.wall_ms, model->now.wall_ms + 5 * SECOND, 10);
    struct row *good = model_insert(model, site);
    model_go(model, 5 * SECOND);
    site->enabled = site->changed = true;
    model_go(model, SECOND);
    assert_int_equal(late->status, ROW_EXPIRED);
    assert_int_equal(late->attempts, 0);
    assert_int_equal(good->status, ROW_DELIVERED);
    assert_int_equal(model->n_expired_unsent, 1);
    model_free(model);
}

static void a_retry_after_the_expiry_expires_now(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    site->verdict = VERDICT_FAILED;
    struct row *row =
        model_insert_sized(model, site, model->now.wall_ms, model->now.wall_ms + 5 * SECOND, 10);
    model_go(model, 2 * SECOND);
    assert_int_equal(row->attempts, 2); /* at 0 and 1 s; the third would come at 11 s */
    assert_int_equal(row->status, ROW_EXPIRED);
    model_free(model);
}

static void the_wall_clock_is_set(void **state) {
    (void)state;
    struct model *model = model_new(1, 10);
    struct site *site = model_add_site(model);
    struct row *row = model_insert_sized(model, site, model->now.wall_ms + HOUR, CLOCK_NEVER, 10);
    model_go(model, SECOND);
    model->now.wall_ms += HOUR;
    scheduler_clock_moved(&model->scheduler, HOUR, model->now);
    model_go(model, SECOND);
    assert_int_equal(row->status, ROW_DELIVERED);

    row = model_insert_sized(model, site, model->now.wall_ms + MINUTE, CLOCK_NEVER, 10);
    model_go(model, SECOND);
    model->now.wall_ms -= HOUR;
    scheduler_clock_moved(&model->scheduler, -HOUR, model->now);
    model_go(model, HOUR + 58 * SECOND);
    assert_int_equal(row->status, ROW_PENDING);
    model_go(model, 2 * SECOND);
    assert_int_equal(row->status, ROW_DELIVERED);
    model_free(model);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void stopping_gives_everything_back(void **state) {
    (void)state;
    struct model *model = model_new(1, 6);
    for (int i = 0; i < 4; i++)
        model_insert_many(model, proven_site(model), 30);
    model_go(model, 10);
    model_insert_many(model, model_add_site(model), 3);
    model_look(model);
    while (model_take(model))
        ;
    model_run(model); /* a load is under way */
    struct call *call = model_first_call(model);
    int under_way = (int)model->calls.count;
    int ended = model->n_ended;
    size_t sent = model->n_sent;
    assert_true(under_way > 1);
    scheduler_stop(&model->scheduler);
    model_check(model);
    assert_false(scheduler_run(&model->scheduler, model->now, 256));
    model_abort(model, call); /* one is given up, the others end */
    model_go(model, MINUTE);
    assert_int_equal(model->n_sent, sent);
    assert_int_equal(model->scheduler.slots.n_flying, 0);
    assert_int_equal(model->scheduler.slots.n_unwritten, 0);
    assert_int_equal(model->scheduler.lanes.loader.n_rows, 0);
    assert_int_equal(model->scheduler.lanes.loader.bytes, 0);
    assert_int_equal(model->handed_out.count, 1); /* the abandoned one: pending, uncharged */
    assert_int_equal(model->n_ended, ended + under_way - 1);
    model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_what_is_inserted),
        cmocka_unit_test(waits_for_rows_of_the_future),
        cmocka_unit_test(rows_of_an_unknown_endpoint_are_news),
        cmocka_unit_test(retries_until_the_budget_is_used),
        cmocka_unit_test(what_cant_be_sent_is_not_tried_again),
        cmocka_unit_test(idle_bare_urls_are_dropped),
        cmocka_unit_test(a_notice_of_a_dropped_lane_is_not_lost),
        cmocka_unit_test(a_retry_is_not_lost_behind_a_load),
        cmocka_unit_test(a_load_that_overtakes_rows_given_back),
        cmocka_unit_test(a_store_that_cant_write_stops_the_dispatch),
        cmocka_unit_test(a_cancelled_row_that_was_loaded_is_not_sent),
        cmocka_unit_test(a_row_cancelled_under_way_ends_with_its_call),
        cmocka_unit_test(a_replay_is_sent_again_at_once),
        cmocka_unit_test(gone_pauses_until_it_is_enabled_again),
        cmocka_unit_test(gone_at_a_bare_url_fails_the_row_alone),
        cmocka_unit_test(disabled_sends_nothing_and_lets_calls_end),
        cmocka_unit_test(another_url_is_another_place),
        cmocka_unit_test(old_calls_say_nothing_of_a_new_url),
        cmocka_unit_test(a_new_rate_limit_holds_at_once),
        cmocka_unit_test(an_endpoint_that_goes_while_calls_are_under_way),
        cmocka_unit_test(an_endpoint_that_goes_while_a_load_is_under_way),
        cmocka_unit_test(an_expired_row_ends_without_a_call),
        cmocka_unit_test(a_retry_after_the_expiry_expires_now),
        cmocka_unit_test(the_wall_clock_is_set),
        cmocka_unit_test(stopping_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
