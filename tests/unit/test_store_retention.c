#include "outhook/store/retention.h"

#include "store_world.h"

#include <sys/stat.h>

static const int64_t day_ms = 86400000;

/* One database, its retention, and a clock that tests move. */
struct keeping {
    struct world *world;
    struct retention retention;
    struct now now;
    int64_t gone[UNUSED_MAX];
    int gone_count, slices;
};

static struct keeping *keeping_open(int64_t delivered, int64_t failed, int64_t attempts) {
    struct keeping *keeping = calloc(1, sizeof *keeping);
    assert_non_null(keeping);
    const struct retention_settings settings = {delivered, failed, attempts};
    struct error error = {0};
    keeping->world = world_open();
    keeping->now = clock_now();
    if (retention_open(&keeping->retention, &keeping->world->daemon, &settings, &error))
        fail_msg("%s", error.text);
    return keeping;
}

static void keeping_free(struct keeping *keeping) {
    retention_close(&keeping->retention);
    world_free(keeping->world);
    free(keeping);
}

static void slice(struct keeping *keeping) {
    int64_t gone[UNUSED_MAX];
    struct error error = {0};
    int count;
    if (retention_run(&keeping->retention, keeping->now, gone, &count, &error))
        fail_msg("%s", error.text);
    for (int i = 0; i < count; i++)
        keeping->gone[keeping->gone_count++] = gone[i];
    keeping->slices++;
}

/* The slices of one round. */
static void round_of(struct keeping *keeping) {
    keeping->slices = keeping->gone_count = 0;
    do
        slice(keeping);
    while (keeping->retention.stage != RETENTION_RESTING);
}

/* Lets time pass in steps that are no leap, without a round. */
static void pass(struct keeping *keeping, int64_t ms) {
    keeping->now.mono_ms += ms;
    keeping->now.wall_ms += ms;
}

/* Ends a delivery so many ms ago, with an attempt, as the daemon writes it. */
static void finish(struct keeping *keeping, int64_t id, const char *status, int64_t ago_ms) {
    sqlite3 *daemon = keeping->world->daemon.handle;
    int64_t at = keeping->now.wall_ms - ago_ms;
    sql(daemon,
        "UPDATE deliveries SET status = %Q, finished_at = %lld, created_at = %lld WHERE id = %lld",
        status, (long long)at, (long long)at - 1000, (long long)id);
    sql(daemon,
        "UPDATE webhooks SET created_at = %lld WHERE id = (SELECT webhook_id FROM deliveries WHERE "
        "id = %lld)",
        (long long)at - 1000, (long long)id);
    sql(daemon,
        "INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms)"
        " VALUES (%lld, 1, 'x', %lld, 1)",
        (long long)id, (long long)at);
    sql(daemon, "UPDATE queue_depth SET pending = pending - 1");
}

static int64_t count(struct keeping *keeping, const char *table) {
    char query[120];
    snprintf(query, sizeof query, "SELECT count(*) FROM %s", table);
    return number(keeping->world->people, query);
}

/* The ids that are left, as text. */
static void assert_left(struct keeping *keeping, const char *table, const char *ids) {
    char query[160];
    snprintf(query, sizeof query,
             "SELECT coalesce(group_concat(id, ' '), '') FROM (SELECT id FROM %s ORDER BY id)",
             table);
    assert_text(keeping->world->people, query, ids);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void no_statement_scans(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, day_ms);
    sqlite3 *handle = keeping->world->daemon.handle;
    const char *by_id = "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)\n";
    assert_plan(handle, "SELECT id, webhook_id, endpoint_id, status, created_at",
                "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>?)\n");
    assert_plan(handle, "DELETE FROM deliveries", by_id);
    assert_plan(handle, "DELETE FROM attempts WHERE delivery_id",
                "SEARCH attempts USING INDEX attempts_delivery (delivery_id=?)\n");
    assert_plan(handle, "DELETE FROM webhooks",
                "SEARCH webhooks USING INTEGER PRIMARY KEY (rowid=?)\nSCALAR SUBQUERY 1\n"
                "SEARCH deliveries USING COVERING INDEX deliveries_webhook (webhook_id=?)\n");
    assert_plan(handle, "SELECT id, started_at FROM attempts",
                "SEARCH attempts USING INTEGER PRIMARY KEY (rowid>?)\n");
    assert_plan(handle, "DELETE FROM attempts WHERE id",
                "SEARCH attempts USING INTEGER PRIMARY KEY (rowid=?)\n");
    assert_plan(handle, "FROM webhooks AS w",
                "SEARCH w USING INTEGER PRIMARY KEY (rowid>?)\nCORRELATED SCALAR SUBQUERY 1\n"
                "SEARCH d USING COVERING INDEX deliveries_webhook (webhook_id=?)\n");
    assert_plan(handle, "SELECT id, name IS NULL",
                "SEARCH endpoints USING INTEGER PRIMARY KEY (rowid>?)\n");
    assert_plan(handle, "SELECT id, endpoint_id FROM deliveries WHERE id",
                "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>?)\n");
    assert_plan(handle, "DELETE FROM endpoints",
                "SEARCH endpoints USING INTEGER PRIMARY KEY (rowid=?)\nSCALAR SUBQUERY 1\n"
                "SEARCH deliveries USING INDEX deliveries_lane (endpoint_id=?)\n"
                "SCALAR SUBQUERY 2\nSEARCH subscriptions USING PRIMARY KEY (endpoint_id=?)\n"
                "SCALAR SUBQUERY 3\nSEARCH endpoint_secrets USING COVERING INDEX "
                "endpoint_secrets_endpoint (endpoint_id=?)\n");
    assert_plan(handle, "DELETE FROM endpoint_changes",
                "SEARCH endpoint_changes USING INTEGER PRIMARY KEY (rowid=?)\nSCALAR SUBQUERY 1\n"
                "SEARCH endpoint_changes USING COVERING INDEX "
                "sqlite_autoindex_endpoint_changes_1\n");
    keeping_free(keeping);
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void each_status_has_its_time(void **state) {
    (void)state;
    static const char *const statuses[] = {"delivered", "failed", "expired", "cancelled"};
    struct keeping *keeping = keeping_open(7 * day_ms, 30 * day_ms, 0);
    add_endpoint(keeping->world, "a");
    for (int i = 0; i < 4; i++)
        finish(keeping, add_webhook(keeping->world, "a", "x"), statuses[i], 31 * day_ms);
    for (int i = 0; i < 4; i++)
        finish(keeping, add_webhook(keeping->world, "a", "x"), statuses[i], 8 * day_ms);
    for (int i = 0; i < 4; i++)
        finish(keeping, add_webhook(keeping->world, "a", "x"), statuses[i], 6 * day_ms);
    add_webhook(keeping->world, "a", "pending");
    sql(keeping->world->daemon.handle, "UPDATE deliveries SET created_at = 1 WHERE id = 13");
    sql(keeping->world->daemon.handle, "UPDATE webhooks SET created_at = 1 WHERE id = 13");
    round_of(keeping);
    assert_left(keeping, "deliveries", "6 7 8 9 10 11 12 13");
    assert_left(keeping, "webhooks", "6 7 8 9 10 11 12 13");
    assert_int_equal(count(keeping, "attempts"), 7);
    assert_int_equal(number(keeping->world->people, "SELECT pending FROM queue_depth"), 1);
    keeping_free(keeping);
}

static void zero_keeps_for_ever(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(0, 0, 0);
    add_endpoint(keeping->world, "a");
    finish(keeping, add_webhook(keeping->world, "a", "x"), "delivered", 10000 * day_ms);
    finish(keeping, add_webhook(keeping->world, "a", "x"), "failed", 10000 * day_ms);
    sql(keeping->world->people,
        "INSERT INTO webhooks (type, payload, created_at) VALUES ('no.one', 'x', 100000000000)");
    round_of(keeping);
    assert_left(keeping, "deliveries", "1 2");
    assert_left(keeping, "webhooks", "1 2 3");
    assert_int_equal(count(keeping, "attempts"), 2);
    assert_true(retention_due_at(&keeping->retention) > keeping->now.mono_ms * 1000 + 1000000);
    keeping_free(keeping);
}

static void a_webhook_goes_with_its_last_delivery(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    for (int i = 0; i < 2; i++) {
        add_endpoint(keeping->world, i ? "a" : "b");
        sql(keeping->world->people, "INSERT INTO subscriptions VALUES (%d, 't')", i + 1);
    }
    sql(keeping->world->people, "INSERT INTO webhooks (type, payload) VALUES ('t', 'x')");
    finish(keeping, 1, "delivered", 2 * day_ms);
    round_of(keeping);
    assert_left(keeping, "deliveries", "2");
    assert_left(keeping, "webhooks", "1");
    finish(keeping, 2, "delivered", 2 * day_ms);
    pass(keeping, 1000);
    keeping->retention.whole_at_ms = 0;
    round_of(keeping);
    assert_left(keeping, "deliveries", "");
    assert_left(keeping, "webhooks", "");
    keeping_free(keeping);
}

static void attempts_may_go_before_their_delivery(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(0, 30 * day_ms, day_ms);
    add_endpoint(keeping->world, "a");
    finish(keeping, add_webhook(keeping->world, "a", "x"), "failed", 2 * day_ms);
    finish(keeping, add_webhook(keeping->world, "a", "x"), "failed", 1000);
    round_of(keeping);
    assert_left(keeping, "deliveries", "1 2");
    assert_left(keeping, "attempts", "2");
    keeping_free(keeping);
}

static void webhooks_that_went_nowhere(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, 0, 0);
    sqlite3 *people = keeping->world->people;
    for (int i = 0; i < 450; i++)
        sql(people, "INSERT INTO webhooks (type, payload, created_at) VALUES ('no.one', 'x', %lld)",
            (long long)(keeping->now.wall_ms - (i < 400 ? 2 * day_ms : 1000)));
    round_of(keeping);
    assert_int_equal(count(keeping, "webhooks"), 50);
    assert_int_equal(number(people, "SELECT min(id) FROM webhooks"), 401);
    pass(keeping, 2 * day_ms);
    round_of(keeping);
    assert_int_equal(count(keeping, "webhooks"), 0);
    keeping_free(keeping);
}

/* It began long ago, but ended only now: the walk has passed it when its time comes. */
static void what_ended_late_is_found_by_a_whole_round(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    add_endpoint(keeping->world, "a");
    for (int i = 0; i < 3; i++)
        finish(keeping, add_webhook(keeping->world, "a", "x"), "delivered", 2 * day_ms);
    sql(keeping->world->daemon.handle, "UPDATE deliveries SET finished_at = %lld WHERE id = 2",
        (long long)(keeping->now.wall_ms - day_ms / 2));
    round_of(keeping);
    assert_left(keeping, "deliveries", "2");
    assert_true(keeping->retention.front_delivery == 3);
    for (int i = 0; i < 14; i++) { /* hours */
        pass(keeping, 3600000);
        keeping->retention.seen_wall_ms += 3600000; /* no leap: rounds have seen the time pass */
        keeping->retention.seen_mono_ms += 3600000;
        round_of(keeping);
    }
    assert_left(keeping, "deliveries", "");
    keeping_free(keeping);
}

/* A slice holds old rows and young ones: the next round meets the young ones again. */
static void the_front_stops_before_what_is_too_young(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    add_endpoint(keeping->world, "a");
    for (int i = 0; i < 20; i++)
        finish(keeping, add_webhook(keeping->world, "a", "x"), "delivered",
               i < 10 ? 2 * day_ms : day_ms - 30000);
    round_of(keeping);
    assert_int_equal(count(keeping, "deliveries"), 10);
    assert_int_equal(keeping->retention.front_delivery, 10);
    pass(keeping, 40000);
    round_of(keeping);
    assert_false(keeping->retention.whole);
    assert_int_equal(count(keeping, "deliveries"), 0);
    keeping_free(keeping);
}

/* ---- endpoints ------------------------------------------------------------------------------- */

static void bare_endpoints_that_nobody_uses(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    sqlite3 *people = keeping->world->people, *daemon = keeping->world->daemon.handle;
    for (int i = 1; i <= 9; i++)
        sql(people, "INSERT INTO webhooks (url, payload) VALUES ('https://%d.example/', 'x')", i);
    for (int i = 1; i <= 9; i++)
        if (i != 2) /* which is pending */
            finish(keeping, i, "delivered", i == 3 ? 1000 : 2 * day_ms);
    sql(daemon, "UPDATE endpoints SET created_at = 1");
    sql(people, "UPDATE endpoints SET rate_limit = 5 WHERE id = 4");
    sql(people, "UPDATE endpoints SET enabled = 0 WHERE id = 5");
    sql(people, "INSERT INTO subscriptions VALUES (6, 'x')");
    sql(people, "INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES (7, "
                "'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')");
    sql(people, "UPDATE endpoints SET name = 'named' WHERE id = 8");
    sql(people,
        "UPDATE endpoints SET url = 'https://nine.example/' WHERE id = 9"); /* the last change */
    sql(people, "INSERT INTO endpoints (name, url) VALUES ('ten', 'https://10.example/')");
    sql(daemon, "UPDATE endpoints SET created_at = 1");
    round_of(keeping);
    assert_left(keeping, "endpoints", "2 3 4 5 6 7 8 10");
    assert_int_equal(keeping->gone_count, 2);
    assert_int_equal(keeping->gone[0], 1);
    assert_int_equal(keeping->gone[1], 9);
    assert_int_equal(number(people, "SELECT count(*) FROM endpoint_changes WHERE endpoint_id = 1"),
                     0);
    keeping_free(keeping);
}

/* Each column is looked at, but for those that no person sets. */
static void no_setting_is_forgotten(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    const char *looked_at = sqlite3_sql(keeping->retention.unused.candidates);
    const char *others = " url disabled_reason disabled_at failing_since ";
    sqlite3_stmt *columns;
    int seen = 0;
    assert_int_equal(sqlite3_prepare_v2(keeping->world->people,
                                        "SELECT name FROM pragma_table_info('endpoints')", -1,
                                        &columns, NULL),
                     SQLITE_OK);
    for (; sqlite3_step(columns) == SQLITE_ROW; seen++) {
        const char *name = (const char *)sqlite3_column_text(columns, 0);
        if (!strstr(looked_at, name) && !strstr(others, name))
            fail_msg("what about %s?", name);
    }
    assert_true(seen > 20);
    sqlite3_finalize(columns);
    keeping_free(keeping);
}

static void an_endpoint_is_kept_for_what_came_during_the_walk(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    sqlite3 *people = keeping->world->people;
    for (int i = 1; i <= 2; i++) {
        sql(people, "INSERT INTO webhooks (url, payload) VALUES ('https://%d.example/', 'x')", i);
        finish(keeping, i, "delivered", 2 * day_ms);
    }
    sql(keeping->world->daemon.handle, "UPDATE endpoints SET created_at = 1");
    while (keeping->retention.stage != RETENTION_ENDPOINTS)
        slice(keeping);
    sql(people, "INSERT INTO webhooks (url, payload) VALUES ('https://1.example/', 'x')");
    finish(keeping, 3, "delivered", 0);
    while (keeping->retention.stage != RETENTION_RESTING)
        slice(keeping);
    assert_left(keeping, "endpoints", "1");
    keeping_free(keeping);
}

static void endpoints_go_in_slices(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, 0, 0);
    sqlite3 *daemon = keeping->world->daemon.handle;
    sql(daemon, "BEGIN");
    for (int i = 0; i < 480; i++)
        sql(daemon, "INSERT INTO endpoints (url, created_at) VALUES ('https://%d.example/', 1)", i);
    sql(daemon, "COMMIT");
    for (int rounds = 0; rounds < 10; rounds++) { /* gone[] holds a slice's */
        keeping->gone_count = 0;
        while (keeping->retention.stage != RETENTION_ENDPOINTS)
            slice(keeping);
        slice(keeping);
        assert_true(keeping->gone_count <= UNUSED_MAX);
        if (keeping->retention.stage != RETENTION_ENDPOINTS)
            break;
    }
    while (keeping->retention.stage != RETENTION_RESTING) {
        keeping->gone_count = 0;
        slice(keeping);
    }
    assert_int_equal(count(keeping, "endpoints"), 0);
    keeping_free(keeping);
}

/* ---- how ------------------------------------------------------------------------------------- */

static void many_rows_take_many_short_slices(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    sqlite3 *daemon = keeping->world->daemon.handle;
    add_endpoint(keeping->world, "a");
    sql(daemon, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                "INSERT INTO webhooks (endpoint, payload, created_at) SELECT 'a', 'x', 1 FROM n");
    sql(daemon,
        "INSERT INTO deliveries (webhook_id, endpoint_id, status, due_at, created_at, finished_at) "
        "SELECT id, 1, 'delivered', 1, 1, 1 FROM webhooks");
    round_of(keeping);
    assert_left(keeping, "deliveries", "");
    assert_left(keeping, "webhooks", "");
    assert_true(keeping->slices >= 10);
    assert_int_equal(keeping->retention.sweep.deliveries_deleted, 5000);
    keeping_free(keeping);
}

static void others_locks_and_full_disks_put_it_off(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    add_endpoint(keeping->world, "a");
    finish(keeping, add_webhook(keeping->world, "a", "x"), "delivered", 2 * day_ms);
    sql(keeping->world->people, "BEGIN IMMEDIATE");
    int64_t before_us = clock_mono_us();
    slice(keeping);
    assert_int_equal(keeping->retention.stage, RETENTION_DELIVERIES);
    assert_true(retention_due_at(&keeping->retention) > before_us);
    sql(keeping->world->people, "COMMIT");
    assert_left(keeping, "deliveries", "1");
    round_of(keeping);
    assert_left(keeping, "deliveries", "");
    keeping_free(keeping);
}

static void a_clock_that_leaps_ahead_is_not_believed(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    add_endpoint(keeping->world, "a");
    finish(keeping, add_webhook(keeping->world, "a", "x"), "delivered", 1000);
    round_of(keeping);
    keeping->now.wall_ms += 10000 * day_ms;
    keeping->now.mono_ms += 1000;
    slice(keeping);
    assert_true(retention_due_at(&keeping->retention) > clock_mono_us() + 3500 * 1000000LL);
    assert_left(keeping, "deliveries", "1");
    keeping->now.wall_ms -= 10000 * day_ms; /* set right again */
    pass(keeping, 3600000);
    round_of(keeping);
    assert_left(keeping, "deliveries", "1");
    keeping_free(keeping);
}

static void new_settings_begin_a_whole_round(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(0, 0, 0);
    const struct retention_settings settings = {day_ms, 0, 0};
    add_endpoint(keeping->world, "a");
    finish(keeping, add_webhook(keeping->world, "a", "x"), "delivered", 2 * day_ms);
    round_of(keeping);
    retention_set(&keeping->retention, &settings);
    assert_true(retention_due_at(&keeping->retention) <= clock_mono_us());
    round_of(keeping);
    assert_left(keeping, "deliveries", "");
    int64_t due_us = retention_due_at(&keeping->retention);
    retention_set(&keeping->retention, &settings); /* the same: nothing to do */
    assert_true(retention_due_at(&keeping->retention) == due_us);
    keeping_free(keeping);
}

static void space_is_given_back(void **state) {
    (void)state;
    struct keeping *keeping = keeping_open(day_ms, day_ms, 0);
    sqlite3 *daemon = keeping->world->daemon.handle;
    struct stat full, empty;
    add_endpoint(keeping->world, "a");
    sql(daemon, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
                "INSERT INTO webhooks (endpoint, payload, created_at) "
                "SELECT 'a', randomblob(20000), 1 FROM n");
    sql(daemon,
        "INSERT INTO deliveries (webhook_id, endpoint_id, status, due_at, created_at, finished_at) "
        "SELECT id, 1, 'delivered', 1, 1, 1 FROM webhooks");
    sql(daemon, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(stat(keeping->world->path, &full), 0);
    assert_true(full.st_size > 20000000);
    round_of(keeping);
    sql(daemon, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(stat(keeping->world->path, &empty), 0);
    assert_true(empty.st_size < 2000000);
    assert_text(keeping->world->people, "PRAGMA integrity_check", "ok");
    keeping_free(keeping);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_scans),
        cmocka_unit_test(each_status_has_its_time),
        cmocka_unit_test(zero_keeps_for_ever),
        cmocka_unit_test(a_webhook_goes_with_its_last_delivery),
        cmocka_unit_test(attempts_may_go_before_their_delivery),
        cmocka_unit_test(webhooks_that_went_nowhere),
        cmocka_unit_test(what_ended_late_is_found_by_a_whole_round),
        cmocka_unit_test(the_front_stops_before_what_is_too_young),
        cmocka_unit_test(bare_endpoints_that_nobody_uses),
        cmocka_unit_test(no_setting_is_forgotten),
        cmocka_unit_test(an_endpoint_is_kept_for_what_came_during_the_walk),
        cmocka_unit_test(endpoints_go_in_slices),
        cmocka_unit_test(many_rows_take_many_short_slices),
        cmocka_unit_test(others_locks_and_full_disks_put_it_off),
        cmocka_unit_test(a_clock_that_leaps_ahead_is_not_believed),
        cmocka_unit_test(new_settings_begin_a_whole_round),
        cmocka_unit_test(space_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
