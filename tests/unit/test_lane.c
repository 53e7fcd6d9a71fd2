/* The lane: its state graph, its gates, what blocks it, and what a call's end teaches it. */

#include "outhook/delivery/lane.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct lane_policy policy = {
    .endpoint_max_in_flight = 20,
    .breaker = {.failures = 5, .open_ms = 30000, .open_max_ms = 1800000},
};

static const struct now start = {.mono_ms = 10000, .wall_ms = 5000000};

enum { HOLD_MAX_MS = 3600000 };

static struct lane *lane_of(int64_t id) {
    struct endpoint *endpoint = endpoint_new();
    endpoint->id = id;
    endpoint->enabled = true;
    endpoint->url = memory_copy_string("https://example.com/");
    return lane_new(endpoint);
}

static struct now after(int64_t ms) {
    return (struct now){start.mono_ms + ms, start.wall_ms + ms};
}

static struct lane_news learn(struct lane *lane, enum verdict verdict, int64_t sent_ms,
                              int64_t now_ms) {
    static struct random random = {3};
    struct outcome outcome = {.verdict = verdict, .retry_after_ms = -1};
    return lane_learn(lane, &policy, &outcome, start.mono_ms + sent_ms, HOLD_MAX_MS, after(now_ms),
                      &random);
}

/* ---- the graph ------------------------------------------------------------------------------- */

enum { OVERDUE_FLOOR_MS = 250 };

enum { STATES = LANE_PAUSED + 1 };

static void names(void **state) {
    (void)state;
    static const char *const words[STATES] = {"idle",    "waiting", "ready",   "loading",
                                              "blocked", "parked",  "crowded", "paused"};
    for (int i = 0; i < STATES; i++)
        assert_string_equal(lane_state_name((enum lane_state)i), words[i]);
}

/* Everything that is not drawn in lane.h. */
static void illegal_edges(void **state) {
    (void)state;
    for (int from = 0; from < STATES; from++) {
        /* Only a lane that is about to be served finds that it must load, or that it has no share.
         */
        assert_int_equal(lane_edge_allowed((enum lane_state)from, LANE_PARKED), from == LANE_READY);
        /* Pausing may come at any time. */
        assert_true(lane_edge_allowed((enum lane_state)from, LANE_PAUSED));
    }
    assert_false(lane_edge_allowed(LANE_IDLE, LANE_LOADING));
}

/* An event that changes nothing leaves a lane where it is. */
static void staying_is_no_edge_that_is_missing(void **state) {
    (void)state;
    for (int i = 0; i < STATES; i++)
        if (i != LANE_PARKED) /* left by being looked at: it becomes ready, and may park again */
            assert_true(lane_edge_allowed((enum lane_state)i, (enum lane_state)i));
}

static void what_a_look_may_find(void **state) {
    (void)state;
    static const enum lane_state found[] = {LANE_IDLE,    LANE_WAITING, LANE_READY,
                                            LANE_BLOCKED, LANE_CROWDED, LANE_PAUSED};
    for (int from = 0; from < STATES; from++)
        for (size_t i = 0; i < sizeof found / sizeof *found; i++)
            assert_true(lane_edge_allowed((enum lane_state)from, found[i]));
}

/* ---- gates ----------------------------------------------------------------------------------- */

static void a_new_lane_has_nothing_and_may_send_one(void **state) {
    (void)state;
    struct lane *lane = lane_of(7);
    assert_int_equal(lane->endpoint_id, 7);
    assert_int_equal(lane->state, LANE_IDLE);
    assert_true(lane->next_due == CLOCK_NEVER);
    assert_true(lane_opens_at(lane, start) <= start.mono_ms);
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), 1);
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms));
    lane_free(lane);
}

static void waits_for_the_next_row(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    lane->next_due = start.wall_ms + 700;
    assert_int_equal(lane_opens_at(lane, start), start.mono_ms + 700);
    /* The wall clock was set back by 5 s: the row is due later. */
    struct now moved = {start.mono_ms, start.wall_ms - 5000};
    assert_int_equal(lane_opens_at(lane, moved), start.mono_ms + 5700);
    /* A row in memory is due already. */
    lane->n_window = 1;
    assert_true(lane_opens_at(lane, start) <= start.mono_ms);
    lane->n_window = 0;
    lane_free(lane);
}

static void the_furthest_future_does_not_overflow(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    lane->next_due = INT64_MAX - 1;
    assert_true(lane_opens_at(lane, start) > start.mono_ms);
    lane_free(lane);
}

static void the_latest_gate_counts(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    lane->next_due = start.wall_ms + 100;
    lane->hold_until = start.mono_ms + 200;
    lane->breaker.open_until = start.mono_ms + 300;
    assert_int_equal(lane_opens_at(lane, start), start.mono_ms + 300);
    lane->endpoint->rate_limit = 1;
    rate_take(&lane->rate, 1, start.mono_ms);
    assert_int_equal(lane_opens_at(lane, start), start.mono_ms + 1000);
    lane->hold_until = start.mono_ms + 2000;
    assert_int_equal(lane_opens_at(lane, start), start.mono_ms + 2000);
    lane->next_due = start.wall_ms + 3000;
    assert_int_equal(lane_opens_at(lane, start), start.mono_ms + 3000);
    lane_free(lane);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void limits_of_the_endpoint_and_of_the_configuration(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    concurrency_answered(&lane->concurrency, 50);
    for (int i = 0; i < 100; i++)
        concurrency_grow(&lane->concurrency, 100, 100);
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), 20);
    lane->endpoint->max_in_flight = 50;
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), 50);
    lane->endpoint->max_in_flight = 3;
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), 3);
    lane->endpoint->ordered = true;
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), 1);
    lane_free(lane);
}

/* Whatever its own limit: some slots are left to the others, should it fall silent. */
static void no_endpoint_may_have_more_than_its_share(void **state) {
    (void)state;
    struct lane_policy shared = policy;
    struct lane *lane = lane_of(1);
    shared.share_max = 8;
    concurrency_answered(&lane->concurrency, 50);
    for (int i = 0; i < 100; i++)
        concurrency_grow(&lane->concurrency, 100, 100);
    assert_int_equal(lane_limit(lane, &shared, start.mono_ms), 8);
    lane->endpoint->max_in_flight = 50;
    assert_int_equal(lane_limit(lane, &shared, start.mono_ms), 8);
    lane->endpoint->max_in_flight = 3;
    assert_int_equal(lane_limit(lane, &shared, start.mono_ms), 3);
    lane_free(lane);
}

static void half_open_is_a_single_call(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    concurrency_answered(&lane->concurrency, 50);
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), CONCURRENCY_INITIAL);
    lane->breaker.open_until = start.mono_ms - 1;
    assert_int_equal(lane_limit(lane, &policy, start.mono_ms), 1);
    lane_free(lane);
}

/* Two calls under way, the older sent at the start. */
static struct lane *lane_with_two_calls(struct delivery *older, struct delivery *newer) {
    struct lane *lane = lane_of(1);
    concurrency_answered(&lane->concurrency, 10);
    older->sent_at = start.mono_ms;
    newer->sent_at = start.mono_ms + 200;
    list_push(&lane->flying, &older->link);
    list_push(&lane->flying, &newer->link);
    lane->n_flying = 2;
    return lane;
}

static void blocked_at_its_limit(void **state) {
    (void)state;
    struct delivery older = {0}, newer = {0};
    struct lane *lane = lane_with_two_calls(&older, &newer);
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms));
    lane->endpoint->max_in_flight = 2;
    assert_true(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms));
    lane_free(lane);
}

static void blocked_while_its_oldest_call_is_overdue(void **state) {
    (void)state;
    struct delivery older = {0}, newer = {0};
    struct lane *lane = lane_with_two_calls(&older, &newer);
    int64_t overdue_ms = concurrency_overdue_ms(&lane->concurrency, OVERDUE_FLOOR_MS);
    assert_int_equal(overdue_ms, 250);
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms + overdue_ms));
    assert_true(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms + overdue_ms + 1));
    list_remove(&older.link);
    lane->n_flying = 1;
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms + overdue_ms + 1));
    lane_free(lane);
}

static void the_floor_decides_how_soon_a_quick_one_is_overdue(void **state) {
    (void)state;
    struct delivery older = {0}, newer = {0};
    struct lane *lane = lane_with_two_calls(&older, &newer);
    for (int i = 0; i < 100; i++)
        concurrency_answered(&lane->concurrency, 10);
    assert_false(lane_blocked(lane, &policy, 25, start.mono_ms + 25));
    assert_true(lane_blocked(lane, &policy, 25, start.mono_ms + 26));
    lane_free(lane);
}

/* One of several servers behind the address hangs, and the others answer. */
static void an_answering_endpoint_may_have_a_quarter_overdue(void **state) {
    (void)state;
    struct delivery a = {0}, b = {0}, c = {0}, d = {0}, *calls[] = {&a, &b, &c, &d};
    struct lane *lane = lane_of(1);
    int64_t late_ms = start.mono_ms + 400;
    concurrency_answered(&lane->concurrency, 10);
    while (lane_limit(lane, &policy, start.mono_ms) < 8)
        concurrency_grow(&lane->concurrency, 8, 100);
    for (int i = 0; i < 4; i++) {
        calls[i]->sent_at = start.mono_ms;
        list_push(&lane->flying, &calls[i]->link);
    }
    lane->n_flying = 4;
    lane->answered_at = late_ms - 1;
    assert_true(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, late_ms)); /* four of eight */
    c.sent_at = d.sent_at = late_ms;
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, late_ms)); /* two */
    lane->answered_at = start.mono_ms;
    assert_true(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, late_ms)); /* and silence */
    lane_free(lane);
}

static void an_ordered_lane_waits_until_the_last_fate_is_written(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    lane->n_unwritten = 1;
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms));
    lane->endpoint->ordered = true;
    assert_true(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms));
    lane->n_unwritten = 0;
    assert_false(lane_blocked(lane, &policy, OVERDUE_FLOOR_MS, start.mono_ms));
    lane_free(lane);
}

/* ---- learning -------------------------------------------------------------------------------- */

struct lesson {
    enum verdict verdict;
    int limit;           /* afterwards, from 10 */
    bool proven;         /* still */
    bool fails, answers; /* for the breaker */
};

/* The table of scheduler_completed(): e.6 of the design. */
static const struct lesson lessons[] = {
    {VERDICT_DELIVERED, 11, true, false, true},   {VERDICT_REJECTED, 10, true, false, true},
    {VERDICT_GONE, 10, true, false, false},       {VERDICT_THROTTLED, 5, true, false, false},
    {VERDICT_FAILED, 7, true, true, false},       {VERDICT_TIMEOUT, 5, false, true, false},
    {VERDICT_UNREACHABLE, 5, false, true, false}, {VERDICT_BLOCKED, 10, true, true, false},
    {VERDICT_INVALID, 10, true, false, false},    {VERDICT_ABORTED, 10, true, false, false},
};

static void each_verdict_teaches_what_it_should(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof lessons / sizeof *lessons; i++) {
        const struct lesson *lesson = &lessons[i];
        struct lane *lane = lane_of(1);
        concurrency_answered(&lane->concurrency, 50);
        for (int j = 0; j < 6; j++)
            concurrency_grow(&lane->concurrency, 10, 20);
        lane->breaker.failures_in_a_row = 2;
        lane->n_flying = 9; /* with the one that has ended: ten */
        learn(lane, lesson->verdict, 0, 100);
        assert_int_equal(lane->concurrency.limit_q8 / 256, lesson->limit);
        assert_int_equal(lane->concurrency.proven, lesson->proven);
        assert_int_equal(lane->breaker.failures_in_a_row, lesson->fails     ? 3
                                                          : lesson->answers ? 0
                                                                            : 2);
        lane_free(lane);
    }
}

static void opening_and_closing_is_news(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    learn(lane, VERDICT_DELIVERED, 0, 10);
    for (int i = 1; i < 5; i++)
        assert_false(learn(lane, VERDICT_FAILED, 10 * i, 10 * i + 5).breaker_opened);
    struct lane_news news = learn(lane, VERDICT_FAILED, 50, 55);
    assert_true(news.breaker_opened);
    assert_false(news.breaker_closed);
    assert_false(lane->concurrency.proven); /* one call at a time when it comes back */
    assert_true(lane_opens_at(lane, after(55)) > after(55).mono_ms + 20000);
    news = learn(lane, VERDICT_REJECTED, 60, 70);
    assert_true(news.breaker_closed);
    assert_true(lane_opens_at(lane, after(70)) <= after(70).mono_ms);
    lane_free(lane);
}

static void rejections_never_open_it(void **state) {
    (void)state;
    struct lane *lane = lane_of(1);
    for (int i = 0; i < 100; i++)
        assert_false(learn(lane, VERDICT_REJECTED, i, i + 1).breaker_opened);
    assert_int_equal(lane->breaker.open_until, 0);
    lane_free(lane);
}

static void retry_after_holds_the_lane(void **state) {
    (void)state;
    struct random random = {1};
    struct lane *lane = lane_of(1);
    struct outcome outcome = {.verdict = VERDICT_THROTTLED, .retry_after_ms = 60000};
    lane_learn(lane, &policy, &outcome, start.mono_ms, HOLD_MAX_MS, start, &random);
    assert_int_equal(lane->hold_until, start.mono_ms + 60000);
    /* A shorter wait that arrives later does not cut the longer one. */
    outcome.retry_after_ms = 1000;
    lane_learn(lane, &policy, &outcome, start.mono_ms, HOLD_MAX_MS, start, &random);
    assert_int_equal(lane->hold_until, start.mono_ms + 60000);
    outcome.retry_after_ms = INT64_MAX;
    lane_learn(lane, &policy, &outcome, start.mono_ms, HOLD_MAX_MS, start, &random);
    assert_int_equal(lane->hold_until, start.mono_ms + HOLD_MAX_MS);
    lane_free(lane);
}

static void only_a_throttling_answer_may_ask_for_quiet(void **state) {
    (void)state;
    struct random random = {1};
    struct lane *lane = lane_of(1);
    struct outcome outcome = {.verdict = VERDICT_FAILED, .retry_after_ms = 60000};
    lane_learn(lane, &policy, &outcome, start.mono_ms, HOLD_MAX_MS, start, &random);
    assert_int_equal(lane->hold_until, 0);
    outcome = (struct outcome){.verdict = VERDICT_THROTTLED, .retry_after_ms = -1};
    lane_learn(lane, &policy, &outcome, start.mono_ms, HOLD_MAX_MS, start, &random);
    assert_int_equal(lane->hold_until, 0);
    lane_free(lane);
}

/* ---- a streak of failures -------------------------------------------------------------------- */

enum { DAY = 24 * 3600 * 1000 };

static struct lane_news learn_streak(struct lane *lane, enum verdict verdict, int64_t now_ms,
                                     int64_t disable_after_ms) {
    static struct random random = {3};
    struct lane_policy patient = policy;
    struct outcome outcome = {.verdict = verdict, .retry_after_ms = -1};
    patient.disable_after_ms = disable_after_ms;
    return lane_learn(lane, &patient, &outcome, start.mono_ms + now_ms, HOLD_MAX_MS, after(now_ms),
                      &random);
}

static struct lane *named_lane(void) {
    struct lane *lane = lane_of(1);
    lane->endpoint->name = memory_copy_string("billing");
    return lane;
}

static void failures_without_a_success_are_too_long_at_last(void **state) {
    (void)state;
    static const enum verdict failures[] = {VERDICT_FAILED,      VERDICT_TIMEOUT,
                                            VERDICT_UNREACHABLE, VERDICT_REJECTED,
                                            VERDICT_THROTTLED,   VERDICT_BLOCKED};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        struct lane *lane = named_lane();
        struct lane_news news = learn_streak(lane, failures[i], 10, DAY);
        assert_true(news.failing_began && !news.failed_too_long);
        assert_int_equal(lane->failing_since, start.wall_ms + 10);
        news = learn_streak(lane, failures[i], 10 + DAY - 1, DAY);
        assert_true(!news.failing_began && !news.failed_too_long);
        news = learn_streak(lane, failures[i], 10 + DAY, DAY);
        assert_true(news.failed_too_long);
        assert_int_equal(news.failing_ms, DAY);
        lane_free(lane);
    }
}

static void a_success_begins_anew(void **state) {
    (void)state;
    struct lane *lane = named_lane();
    assert_false(learn_streak(lane, VERDICT_DELIVERED, 5, DAY).failing_ended); /* there was none */
    learn_streak(lane, VERDICT_FAILED, 10, DAY);
    assert_true(learn_streak(lane, VERDICT_DELIVERED, DAY, DAY).failing_ended);
    assert_int_equal(lane->failing_since, 0);
    assert_true(learn_streak(lane, VERDICT_FAILED, DAY + 5, DAY).failing_began);
    assert_false(learn_streak(lane, VERDICT_FAILED, 2 * DAY, DAY).failed_too_long);
    lane_free(lane);
}

static void what_begins_no_streak(void **state) {
    (void)state;
    struct lane *lane = named_lane(), *bare = lane_of(2);
    assert_false(learn_streak(lane, VERDICT_INVALID, 0, DAY).failing_began); /* our row's fault */
    assert_false(learn_streak(lane, VERDICT_ABORTED, 0, DAY).failing_began);
    assert_false(learn_streak(bare, VERDICT_FAILED, 0, DAY).failing_began);
    assert_false(learn_streak(bare, VERDICT_FAILED, 2 * DAY, DAY).failed_too_long);
    learn_streak(lane, VERDICT_FAILED, 0, 0);
    assert_false(learn_streak(lane, VERDICT_FAILED, 1000 * (int64_t)DAY, 0).failed_too_long);
    lane_free(lane);
    lane_free(bare);
}

/* That the clock was set is no time in which it failed; and what was moved is written down. */
static void a_streak_moves_with_the_clock(void **state) {
    (void)state;
    struct lane *lane = named_lane();
    learn_streak(lane, VERDICT_FAILED, 0, DAY);
    lane_clock_moved(lane, 5 * (int64_t)DAY, after(5 * (int64_t)DAY));
    struct lane_news news = learn_streak(lane, VERDICT_FAILED, 5 * (int64_t)DAY + 10, DAY);
    assert_true(news.failing_began && !news.failed_too_long);
    assert_int_equal(news.failing_ms, 10);
    assert_int_equal(news.failing_since, start.wall_ms + 5 * (int64_t)DAY);
    assert_false(learn_streak(lane, VERDICT_FAILED, 5 * (int64_t)DAY + 20, DAY).failing_began);
    assert_true(learn_streak(lane, VERDICT_FAILED, 6 * (int64_t)DAY, DAY).failed_too_long);

    lane_clock_moved(lane, 5 * (int64_t)DAY, after(6 * (int64_t)DAY)); /* only now it is right */
    assert_int_equal(lane->failing_since, after(6 * (int64_t)DAY).wall_ms);
    lane_free(lane);

    lane = named_lane();
    lane_clock_moved(lane, DAY, after(DAY)); /* it does not fail */
    assert_int_equal(lane->failing_since, 0);
    assert_true(learn_streak(lane, VERDICT_FAILED, DAY, DAY).failing_began);
    lane_free(lane);
}

/* What was read from the row at a start counts on. */
static void a_streak_goes_on_over_a_restart(void **state) {
    (void)state;
    struct endpoint *endpoint = endpoint_new();
    endpoint->name = memory_copy_string("billing");
    endpoint->url = memory_copy_string("https://example.com/");
    endpoint->failing_since = start.wall_ms - DAY;
    struct lane *lane = lane_new(endpoint);
    assert_true(learn_streak(lane, VERDICT_FAILED, 0, DAY).failed_too_long);
    lane_free(lane);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(illegal_edges),
        cmocka_unit_test(staying_is_no_edge_that_is_missing),
        cmocka_unit_test(what_a_look_may_find),
        cmocka_unit_test(a_new_lane_has_nothing_and_may_send_one),
        cmocka_unit_test(waits_for_the_next_row),
        cmocka_unit_test(the_furthest_future_does_not_overflow),
        cmocka_unit_test(the_latest_gate_counts),
        cmocka_unit_test(limits_of_the_endpoint_and_of_the_configuration),
        cmocka_unit_test(no_endpoint_may_have_more_than_its_share),
        cmocka_unit_test(half_open_is_a_single_call),
        cmocka_unit_test(blocked_at_its_limit),
        cmocka_unit_test(blocked_while_its_oldest_call_is_overdue),
        cmocka_unit_test(the_floor_decides_how_soon_a_quick_one_is_overdue),
        cmocka_unit_test(an_answering_endpoint_may_have_a_quarter_overdue),
        cmocka_unit_test(an_ordered_lane_waits_until_the_last_fate_is_written),
        cmocka_unit_test(each_verdict_teaches_what_it_should),
        cmocka_unit_test(opening_and_closing_is_news),
        cmocka_unit_test(rejections_never_open_it),
        cmocka_unit_test(retry_after_holds_the_lane),
        cmocka_unit_test(only_a_throttling_answer_may_ask_for_quiet),
        cmocka_unit_test(failures_without_a_success_are_too_long_at_last),
        cmocka_unit_test(a_success_begins_anew),
        cmocka_unit_test(what_begins_no_streak),
        cmocka_unit_test(a_streak_moves_with_the_clock),
        cmocka_unit_test(a_streak_goes_on_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
