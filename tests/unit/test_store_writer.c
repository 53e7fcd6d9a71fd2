/* The writer: an attempt and an update for each call, as a whole or not at all. */

#include "outhook/store/writer.h"

#include "store_world.h"

#include <sqlite3.h>

static struct writer writer;

static struct world *world_with_writer(int rows) {
    struct world *world = world_open();
    struct error error = {0};
    assert_int_equal(writer_open(&writer, &world->daemon, &error), 0);
    add_endpoint(world, "billing");
    for (int i = 0; i < rows; i++)
        add_webhook(world, "billing", "{}");
    return world;
}

static void world_end(struct world *world) {
    writer_close(&writer);
    world_free(world);
}

static struct write called(int64_t id, enum write_fate fate, enum verdict verdict, int status) {
    return (struct write){
        .delivery_id = id,
        .endpoint_id = 1,
        .fate = fate,
        .due_at = 1800000000000,
        .finished_at = 1750000000000,
        .attempted = true,
        .number = 1,
        .outcome = {.verdict = verdict,
                    .status_code = status,
                    .retry_after_ms = -1,
                    .started_at = 1740000000000,
                    .duration_ms = 123},
    };
}

static int commit(struct write *writes, int count, struct error *error) {
    struct write *pointers[16];
    for (int i = 0; i < count; i++)
        pointers[i] = &writes[i];
    return writer_commit(&writer, pointers, count, error);
}

static void assert_commits(struct write *writes, int count) {
    struct error error = {0};
    if (commit(writes, count, &error))
        fail_msg("%s", error.text);
}

static int64_t depth(const struct world *world) {
    return number(world->people, "SELECT pending FROM queue_depth");
}

/* ---- before ---------------------------------------------------------------------------------- */

static int pages_read(sqlite3 *handle) {
    int now = 0, most = 0;
    sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_MISS, &now, &most, 1);
    return now;
}

enum { ROWS_APART = 100, SPREAD_ROWS = 16 };

/* How many pages a commit of rows reads that lie far apart, by a connection that has none in
 * memory: somebody else has written since. */
static int pages_read_by_commit(struct world *world, bool warm) {
    struct write writes[SPREAD_ROWS], *pointers[SPREAD_ROWS];
    for (int i = 0; i < SPREAD_ROWS; i++) {
        writes[i] = called(1 + i * ROWS_APART, WRITE_AGAIN, VERDICT_FAILED, 500);
        pointers[i] = &writes[i];
    }
    sql(world->people, "UPDATE endpoints SET timeout_ms = timeout_ms + 1");
    if (warm)
        writer_warm(&writer, pointers, SPREAD_ROWS);
    pages_read(world->daemon.handle);
    assert_commits(writes, SPREAD_ROWS);
    return pages_read(world->daemon.handle);
}

static void rows_are_read_before_the_lock_is_taken(void **state) {
    (void)state;
    struct world *world = world_with_writer(0);
    sql(world->people, "BEGIN");
    for (int i = 0; i < SPREAD_ROWS * ROWS_APART; i++)
        add_webhook(world, "billing", "{}");
    sql(world->people, "COMMIT");
    int cold = pages_read_by_commit(world, false), warm = pages_read_by_commit(world, true);
    assert_in_range(cold, SPREAD_ROWS, 4 * SPREAD_ROWS);
    assert_in_range(warm, 0, SPREAD_ROWS / 2); /* such as where the attempts go */
    world_end(world);
}

static void without_the_index_nothing_is_read_ahead(void **state) {
    (void)state;
    struct world *world = world_with_writer(1);
    struct error error = {0};
    struct write write = called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200), *pointer = &write;
    writer_close(&writer);
    sql(world->people, "DROP INDEX deliveries_lane");
    assert_int_equal(writer_open(&writer, &world->daemon, &error), 0);
    writer_warm(&writer, &pointer, 1);
    assert_commits(&write, 1);
    assert_int_equal(depth(world), 0);
    world_end(world);
}

/* ---- fates ----------------------------------------------------------------------------------- */

static void rows_are_found_by_their_ids(void **state) {
    (void)state;
    struct world *world = world_with_writer(0);
    sqlite3 *handle = world->daemon.handle;
    static const char by_id[] = "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)\n";
    assert_plan(handle, "attempts + 1, due_at = CASE held", by_id);
    assert_plan(handle, "SELECT (SELECT 1 FROM deliveries AS l",
                "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)\nCORRELATED SCALAR SUBQUERY 1\n"
                "SEARCH l USING INDEX deliveries_lane (endpoint_id=? AND due_at=? AND rowid=?)\n");
    assert_plan(handle, "attempts + 1, finished_at = ?2", by_id);
    assert_plan(handle, "SET status = 'expired'", by_id);
    assert_plan(handle,
                "attempts + 1, last_status_code = ?3, last_error = ?4,"
                " last_duration_ms = ?5 WHERE id = ?1",
                by_id);
    static const char endpoint_by_id[] = "SEARCH endpoints USING INTEGER PRIMARY KEY (rowid=?)\n";
    assert_plan(handle, "UPDATE endpoints SET enabled = 0", endpoint_by_id);
    assert_plan(handle, "UPDATE endpoints SET failing_since = ?2", endpoint_by_id);
    world_end(world);
}

static void a_delivery_and_its_attempt(void **state) {
    (void)state;
    struct world *world = world_with_writer(2);
    struct write write = called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 204);
    snprintf(write.outcome.remote_address, sizeof write.outcome.remote_address, "192.0.2.1:443");
    write.outcome.response_headers = strdup("Server: x");
    write.outcome.response_body = strdup("ok");
    write.outcome.response_body_bytes = 2;
    assert_commits(&write, 1);
    assert_false(write.settled);
    assert_text(
        world->people,
        "SELECT concat FROM (SELECT status || ' ' || attempts || ' ' || finished_at || ' ' ||"
        " last_status_code || ' ' || coalesce(last_error, '-') || ' ' || last_duration_ms AS"
        " concat FROM deliveries WHERE id = 1)",
        "delivered 1 1750000000000 204 - 123");
    assert_text(
        world->people,
        "SELECT delivery_id || ' ' || number || ' ' || verdict || ' ' || started_at || ' ' ||"
        " duration_ms || ' ' || status_code || ' ' || coalesce(error, '-') || ' ' ||"
        " remote_address || ' ' || response_headers || ' ' || response_body FROM attempts",
        "1 1 delivered 1740000000000 123 204 - 192.0.2.1:443 Server: x ok");
    assert_text(world->people, "SELECT typeof(response_body) FROM attempts", "blob");
    assert_int_equal(depth(world), 1);
    outcome_free(&write.outcome);
    world_end(world);
}

static void another_attempt_keeps_it_pending(void **state) {
    (void)state;
    struct world *world = world_with_writer(1);
    struct write write = called(1, WRITE_AGAIN, VERDICT_UNREACHABLE, 0);
    write.outcome.error = strdup("connection refused");
    for (int i = 1; i <= 3; i++) {
        write.number = i;
        assert_commits(&write, 1);
    }
    assert_text(world->people, "SELECT group_concat(number) FROM attempts", "1,2,3");
    assert_text(world->people,
                "SELECT status || ' ' || attempts || ' ' || due_at || ' ' || last_error"
                " FROM deliveries",
                "pending 3 1800000000000 connection refused");
    assert_int_equal(number(world->people, "SELECT finished_at FROM deliveries"), -1);
    assert_int_equal(number(world->people, "SELECT last_status_code FROM deliveries"), -1);
    assert_int_equal(number(world->people, "SELECT status_code FROM attempts WHERE number = 2"),
                     -1);
    assert_text(world->people, "SELECT remote_address FROM attempts LIMIT 1", NULL);
    assert_int_equal(number(world->people, "SELECT count(*) FROM attempts"), 3);
    assert_int_equal(depth(world), 1);
    outcome_free(&write.outcome);
    world_end(world);
}

static void many_fates_in_one_transaction(void **state) {
    (void)state;
    struct world *world = world_with_writer(6);
    struct write writes[] = {
        called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200),
        called(2, WRITE_AGAIN, VERDICT_FAILED, 500),
        called(3, WRITE_FAILED, VERDICT_REJECTED, 400),
        called(4, WRITE_EXPIRED, VERDICT_TIMEOUT, 0),
        {.delivery_id = 5, .fate = WRITE_EXPIRED, .finished_at = 1750000000000},
    };
    int64_t before = number(world->people, "PRAGMA data_version");
    assert_commits(writes, 5);
    assert_int_equal(number(world->people, "PRAGMA data_version"), before + 1); /* a single one */
    assert_text(world->people, "SELECT group_concat(status) FROM deliveries",
                "delivered,pending,failed,expired,expired,pending");
    assert_int_equal(number(world->people, "SELECT count(*) FROM attempts"), 4);
    assert_text(world->people, "SELECT last_error FROM deliveries WHERE id = 5",
                "expired before it could be sent");
    assert_int_equal(number(world->people, "SELECT attempts FROM deliveries WHERE id = 5"), 0);
    assert_int_equal(depth(world), 2);
    world_end(world);
}

static void numbers_run_on_over_replays(void **state) {
    (void)state;
    struct world *world = world_with_writer(1);
    struct write write = called(1, WRITE_FAILED, VERDICT_REJECTED, 400);
    assert_commits(&write, 1);
    sql(world->people, "UPDATE deliveries SET status = 'pending'");
    assert_int_equal(depth(world), 1);
    write.number = 2;
    assert_commits(&write, 1);
    assert_text(world->people, "SELECT group_concat(number) FROM attempts", "1,2");
    assert_int_equal(number(world->people, "SELECT attempts FROM deliveries"), 1);
    assert_int_equal(depth(world), 0);
    world_end(world);
}

/* ---- people meanwhile ------------------------------------------------------------------------ */

static void cancelled_meanwhile(void **state) {
    (void)state;
    struct world *world = world_with_writer(3);
    sql(world->people, "UPDATE deliveries SET status = 'cancelled' WHERE id < 3");
    assert_int_equal(depth(world), 1);
    struct write writes[] = {
        called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200),
        {.delivery_id = 2, .fate = WRITE_EXPIRED, .finished_at = 1750000000000},
    };
    assert_commits(writes, 2);
    assert_true(writes[0].settled);
    assert_true(writes[1].settled);
    /* The call was made, so it is on record; the fate is the person's. */
    assert_text(world->people,
                "SELECT status || ' ' || attempts || ' ' || last_status_code FROM deliveries"
                " WHERE id = 1",
                "cancelled 1 200");
    assert_int_equal(number(world->people, "SELECT count(*) FROM attempts"), 1);
    assert_int_equal(depth(world), 1); /* counted once */
    world_end(world);
}

static void a_row_that_is_gone(void **state) {
    (void)state;
    struct world *world = world_with_writer(2);
    sql(world->people, "UPDATE deliveries SET status = 'cancelled' WHERE id = 1;"
                       "DELETE FROM deliveries WHERE id = 1");
    struct write writes[] = {
        called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200),
        called(2, WRITE_DELIVERED, VERDICT_DELIVERED, 200),
    };
    assert_commits(writes, 2);
    assert_true(writes[0].settled);
    assert_int_equal(number(world->people, "SELECT count(*) FROM attempts"), 1);
    assert_int_equal(depth(world), 0);
    world_end(world);
}

static void gone_disables_the_endpoint(void **state) {
    (void)state;
    struct world *world = world_with_writer(2);
    struct write write = called(1, WRITE_AGAIN, VERDICT_GONE, 410);
    write.disable_endpoint = true;
    assert_commits(&write, 1);
    assert_text(world->people,
                "SELECT enabled || ' ' || disabled_at || ' ' || disabled_reason FROM endpoints",
                "0 1740000000000 it answered 410 Gone");
    /* A second call that was under way doesn't overwrite what a person says of it. */
    sql(world->people, "UPDATE endpoints SET disabled_reason = 'moved'");
    write = called(2, WRITE_AGAIN, VERDICT_GONE, 410);
    write.disable_endpoint = true;
    assert_commits(&write, 1);
    assert_text(world->people, "SELECT disabled_reason FROM endpoints", "moved");
    world_end(world);
}

static void the_begin_and_the_end_of_failures(void **state) {
    (void)state;
    struct world *world = world_with_writer(3);
    struct write write = called(1, WRITE_AGAIN, VERDICT_FAILED, 500);
    write.failing_since = 1740000000123;
    assert_commits(&write, 1);
    assert_int_equal(number(world->people, "SELECT failing_since FROM endpoints"), 1740000000123);
    write = called(2, WRITE_AGAIN, VERDICT_FAILED, 500);
    write.disable_endpoint = true;
    assert_commits(&write, 1);
    assert_text(world->people, "SELECT disabled_reason FROM endpoints",
                "no success since 2025-02-19 21:20:00 UTC");
    write = called(3, WRITE_DELIVERED, VERDICT_DELIVERED, 200);
    write.failing_ended = true;
    assert_commits(&write, 1);
    assert_int_equal(number(world->people, "SELECT failing_since IS NULL FROM endpoints"), 1);
    world_end(world);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void a_lock_of_others_leaves_nothing(void **state) {
    (void)state;
    struct world *world = world_with_writer(1);
    struct error error = {0};
    struct write write = called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200);
    sql(world->people, "BEGIN IMMEDIATE");
    assert_int_equal(commit(&write, 1, &error), ERROR_BUSY);
    assert_non_null(strstr(error.text, "another process holds a lock"));
    assert_int_equal(sqlite3_get_autocommit(world->daemon.handle), 1);
    sql(world->people, "COMMIT");
    assert_text(world->people, "SELECT status FROM deliveries", "pending");
    assert_commits(&write, 1);
    assert_text(world->people, "SELECT status FROM deliveries", "delivered");
    world_end(world);
}

/* The first row is written and the second can't be: neither is, and a second try is whole. */
static void a_failure_in_the_middle_leaves_nothing(void **state) {
    (void)state;
    struct world *world = world_with_writer(2);
    struct error error = {0};
    struct write writes[] = {
        called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200),
        called(2, WRITE_DELIVERED, VERDICT_DELIVERED, 200),
    };
    sql(world->daemon.handle,
        "CREATE UNIQUE INDEX in_the_way ON attempts (number)"); /* 1 can be there once only */
    assert_int_equal(commit(writes, 2, &error), ERROR_USAGE);
    assert_int_equal(sqlite3_get_autocommit(world->daemon.handle), 1);
    assert_int_equal(number(world->people, "SELECT count(*) FROM attempts"), 0);
    assert_text(world->people, "SELECT group_concat(status) FROM deliveries", "pending,pending");
    assert_int_equal(depth(world), 2);
    sql(world->daemon.handle, "DROP INDEX in_the_way");
    assert_commits(writes, 2);
    assert_int_equal(number(world->people, "SELECT sum(attempts) FROM deliveries"), 2);
    assert_int_equal(number(world->people, "SELECT count(*) FROM attempts"), 2);
    assert_int_equal(depth(world), 0);
    world_end(world);
}

static void a_full_disk_leaves_nothing(void **state) {
    (void)state;
    struct world *world = world_with_writer(1);
    struct error error = {0};
    struct write write = called(1, WRITE_DELIVERED, VERDICT_DELIVERED, 200);
    int64_t pages = number(world->daemon.handle, "PRAGMA page_count");
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA max_page_count = %" PRId64, pages);
    number(world->daemon.handle, pragma);
    write.outcome.response_body = calloc(1, 100000);
    write.outcome.response_body_bytes = 100000;
    assert_int_equal(commit(&write, 1, &error), ERROR_FULL);
    assert_text(world->people, "SELECT status FROM deliveries", "pending");
    number(world->daemon.handle, "PRAGMA max_page_count = 1000000");
    assert_commits(&write, 1);
    assert_int_equal(number(world->people, "SELECT length(response_body) FROM attempts"), 100000);
    outcome_free(&write.outcome);
    world_end(world);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void limits_are_written_when_they_differ(void **state) {
    (void)state;
    struct world *world = world_with_writer(0);
    struct error error = {0};
    assert_int_equal(writer_limits(&writer, 5, 1000, &error), 0);
    assert_int_equal(number(world->people, "SELECT max_pending FROM queue_depth"), 5);
    assert_int_equal(number(world->people, "SELECT max_payload_bytes FROM queue_depth"), 1000);
    sql(world->people, "BEGIN IMMEDIATE");
    assert_int_equal(writer_limits(&writer, 5, 1000, &error), 0); /* nothing to write, no lock */
    assert_int_equal(writer_limits(&writer, 5, 1001, &error), ERROR_BUSY);
    sql(world->people, "ROLLBACK");
    assert_int_equal(writer_limits(&writer, 5, 1001, &error), 0);
    assert_int_equal(number(world->people, "SELECT max_payload_bytes FROM queue_depth"), 1001);
    world_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_before_the_lock_is_taken),
        cmocka_unit_test(without_the_index_nothing_is_read_ahead),
        cmocka_unit_test(rows_are_found_by_their_ids),
        cmocka_unit_test(a_delivery_and_its_attempt),
        cmocka_unit_test(another_attempt_keeps_it_pending),
        cmocka_unit_test(many_fates_in_one_transaction),
        cmocka_unit_test(numbers_run_on_over_replays),
        cmocka_unit_test(cancelled_meanwhile),
        cmocka_unit_test(a_row_that_is_gone),
        cmocka_unit_test(gone_disables_the_endpoint),
        cmocka_unit_test(the_begin_and_the_end_of_failures),
        cmocka_unit_test(a_lock_of_others_leaves_nothing),
        cmocka_unit_test(a_failure_in_the_middle_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(limits_are_written_when_they_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
