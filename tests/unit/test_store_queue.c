/* The queue's reads: their plans, what is handed out once, and how rows become what is sent. */

#include "outhook/store/queue.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include "store_world.h"

#include <sqlite3.h>

enum { PLENTY = 1 << 20 };

static struct queue queue;

static struct world *world_with_queue(void) {
    struct world *world = world_open();
    struct error error = {0};
    assert_int_equal(queue_open(&queue, &world->daemon, NULL, &error), 0);
    return world;
}

static void world_end(struct world *world) {
    queue_close(&queue);
    world_free(world);
}

static struct queue_load load(int64_t endpoint_id, int rows, int64_t bytes) {
    struct queue_load loaded;
    struct error error = {0};
    assert_int_equal(
        queue_load(&queue, endpoint_id, rows, bytes, clock_now().wall_ms + 1, &loaded, &error), 0);
    return loaded;
}

static void load_free(struct queue_load *loaded) {
    for (int i = 0; i < loaded->count; i++)
        delivery_free(loaded->rows[i]);
}

static struct endpoint *read_endpoint(int64_t id, int64_t *next_due) {
    struct endpoint *endpoint;
    struct error error = {0};
    assert_int_equal(queue_endpoint(&queue, id, &endpoint, next_due, &error), 0);
    return endpoint;
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* A table scan or a sort here costs as much as there are rows, at each load. */
static void every_read_goes_by_an_index(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    sqlite3 *handle = world->daemon.handle;
    assert_plan(handle, "ORDER BY due_at, id",
                "SEARCH deliveries USING INDEX deliveries_lane (endpoint_id=?)\n");
    assert_plan(handle, "ORDER BY due_at LIMIT 1",
                "SEARCH deliveries USING INDEX deliveries_lane (endpoint_id=?)\n");
    assert_plan(handle, "FROM deliveries WHERE id > ?1",
                "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>?)\n");
    assert_plan(handle, "FROM endpoint_changes",
                "SEARCH endpoint_changes USING COVERING INDEX sqlite_autoindex_endpoint_changes_1 "
                "(seq>?)\n");
    assert_plan(handle, "FROM endpoints AS e",
                "SEARCH e USING INTEGER PRIMARY KEY (rowid>?)\n"
                "CORRELATED SCALAR SUBQUERY 1\n"
                "SEARCH deliveries USING INDEX deliveries_lane (endpoint_id=?)\n");
    assert_plan(handle, "LEFT JOIN webhooks",
                "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)\n"
                "SEARCH w USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN\n"
                "CORRELATED SCALAR SUBQUERY 1\n"
                "SCAN json_each VIRTUAL TABLE INDEX 1:\n");
    assert_plan(handle, "FROM endpoint_secrets",
                "SEARCH endpoint_secrets USING INDEX endpoint_secrets_endpoint (endpoint_id=?)\n"
                "USE TEMP B-TREE FOR ORDER BY\n");
    world_end(world);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void in_order_and_no_more_than_asked_for(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing"), other = add_endpoint(world, "other");
    int64_t now = clock_now().wall_ms, ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = add_webhook(world, "billing", "{}");
    add_webhook(world, "other", "{}");
    sql(world->people,
        "INSERT INTO webhooks (endpoint, payload, deliver_at)"
        " VALUES ('billing', '{}', %lld), ('billing', '{}', %lld)",
        now - 1000, now + 60000);
    int64_t early = number(world->people, "SELECT max(id) - 1 FROM deliveries");

    struct queue_load first = load(billing, 3, PLENTY);
    assert_int_equal(first.count, 3);
    assert_int_equal(first.rows[0]->id, early); /* by due time, not by id */
    assert_int_equal(first.rows[1]->id, ids[0]);
    assert_int_equal(first.rows[2]->id, ids[1]);
    assert_true(first.next_due >= now && first.next_due < now + 60000);
    assert_int_equal(first.need_bytes, 0);

    struct queue_load second = load(billing, 30, PLENTY);
    assert_int_equal(second.count, 2);
    assert_int_equal(second.rows[0]->id, ids[2]);
    assert_int_equal(second.next_due, now + 60000); /* known, and not due */

    struct queue_load third = load(other, 30, PLENTY);
    assert_int_equal(third.count, 1);
    assert_true(third.next_due == CLOCK_NEVER);
    load_free(&first);
    load_free(&second);
    load_free(&third);
    world_end(world);
}

static void equal_times_come_by_id(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    sql(world->people, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50)"
                       " INSERT INTO webhooks (endpoint, payload, deliver_at, created_at)"
                       " SELECT 'billing', i, 1700000000000, 1700000000000 FROM n");
    struct queue_load loaded = load(billing, 50, PLENTY);
    assert_int_equal(loaded.count, 50);
    for (int i = 1; i < 50; i++)
        assert_true(loaded.rows[i]->id > loaded.rows[i - 1]->id);
    load_free(&loaded);
    world_end(world);
}

static void handed_out_once_until_it_is_given_back(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    int64_t id = add_webhook(world, "billing", "{}");
    struct queue_load loaded = load(billing, 10, PLENTY);
    assert_int_equal(loaded.count, 1);
    struct queue_load again = load(billing, 10, PLENTY);
    assert_int_equal(again.count, 0);
    assert_true(again.next_due == CLOCK_NEVER); /* it is not on disk only */
    queue_forget(&queue, id);
    again = load(billing, 10, PLENTY);
    assert_int_equal(again.count, 1);
    queue_forget(&queue, id);
    queue_forget(&queue, 12345);
    load_free(&loaded);
    load_free(&again);
    world_end(world);
}

static void no_more_rows_than_a_load_holds(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    for (int i = 0; i < QUEUE_ROWS_MAX + 5; i++)
        add_webhook(world, "billing", "{}");
    struct queue_load loaded = load(billing, 1000, PLENTY);
    assert_int_equal(loaded.count, QUEUE_ROWS_MAX);
    load_free(&loaded);
    world_end(world);
}

static void no_more_payload_than_allowed(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    static const int sizes[] = {100, 200, 5000, 10};
    for (int i = 0; i < 4; i++)
        sql(world->people,
            "INSERT INTO webhooks (endpoint, payload, created_at)"
            " VALUES ('billing', zeroblob(%d), 1700000000000)",
            sizes[i]);

    struct queue_load loaded = load(billing, 10, 300); /* exactly two */
    assert_int_equal(loaded.count, 2);
    assert_int_equal(loaded.rows[1]->payload_bytes, 200);
    assert_int_equal(loaded.next_due, 1700000000000);
    assert_int_equal(loaded.need_bytes, 0); /* said when it is the first */
    load_free(&loaded);

    loaded = load(billing, 10, 4999);
    assert_int_equal(loaded.count, 0);
    assert_int_equal(loaded.need_bytes, 5000);
    assert_int_equal(loaded.next_due, 1700000000000);

    loaded = load(billing, 10, 5000);
    assert_int_equal(loaded.count, 1);
    assert_int_equal(loaded.rows[0]->payload_bytes, 5000);
    load_free(&loaded);
    world_end(world);
}

static void a_row_and_its_webhook(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    sql(world->people,
        "INSERT INTO webhooks (endpoint, type, method, content_type, headers, payload, created_at,"
        " expires_at) VALUES ('billing', 'invoice.paid', 'PUT', 'text/plain',"
        " '{\"X-A\": \"1\", \"X-B\": \"two words\"}', 'h\u00e9llo', 1700000000000, 9000000000000)");
    struct queue_load loaded = load(billing, 10, PLENTY);
    assert_int_equal(loaded.count, 1);
    const struct delivery *delivery = loaded.rows[0];
    assert_int_equal(delivery->endpoint_id, billing);
    assert_int_equal(delivery->webhook_id, 1);
    assert_int_equal(delivery->due_at, 1700000000000);
    assert_int_equal(delivery->created_at, 1700000000000);
    assert_int_equal(delivery->expires_at, 9000000000000);
    assert_int_equal(delivery->attempts, 0);
    assert_string_equal(delivery->type, "invoice.paid");
    assert_string_equal(delivery->method, "PUT");
    assert_string_equal(delivery->content_type, "text/plain");
    assert_string_equal(delivery->header_lines, "X-A: 1\nX-B: two words\n");
    assert_text(world->people, "SELECT uid FROM webhooks", delivery->uid);
    assert_int_equal(delivery->payload_bytes, 6);
    assert_memory_equal(delivery->payload, "h\u00e9llo", 6);
    load_free(&loaded);
    world_end(world);
}

static void payloads_of_every_type(void **state) {
    (void)state;
    static const struct {
        const char *literal, *bytes;
        size_t length;
    } kinds[] = {{"'text'", "text", 4},
                 {"x'00ff00'", "\x00\xff\x00", 3},
                 {"42", "42", 2},
                 {"1.5", "1.5", 3},
                 {"''", "", 0},
                 {"x''", "", 0},
                 {"-9223372036854775808", "-9223372036854775808", 20}};
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sql(world->people, "INSERT INTO webhooks (endpoint, payload) VALUES ('billing', %s)",
            kinds[i].literal);
        struct queue_load loaded = load(billing, 1, PLENTY);
        assert_int_equal(loaded.count, 1);
        assert_int_equal(loaded.rows[0]->payload_bytes, kinds[i].length);
        assert_memory_equal(loaded.rows[0]->payload, kinds[i].bytes, kinds[i].length);
        assert_null(loaded.rows[0]->header_lines);
        assert_true(loaded.rows[0]->expires_at == CLOCK_NEVER);
        load_free(&loaded);
    }
    world_end(world);
}

/* What got past the triggers costs its own row something, and no other. */
static void rows_that_came_in_past_the_triggers(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    for (int i = 0; i < 4; i++)
        add_webhook(world, "billing", "{}");
    sqlite3_db_config(world->people, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sql(world->people, "UPDATE webhooks SET headers = 'no json' WHERE id = 1;"
                       "UPDATE webhooks SET headers = '{\"X-A\": null, \"X-B\": 7}' WHERE id = 2;"
                       "UPDATE webhooks SET payload = NULL WHERE id = 3;"
                       "DELETE FROM webhooks WHERE id = 4");
    struct queue_load loaded = load(billing, 10, PLENTY);
    assert_int_equal(loaded.count, 4);
    /* A control character, which no header may hold: the call will be refused. */
    assert_string_equal(loaded.rows[0]->header_lines, "\x01");
    assert_string_equal(loaded.rows[1]->header_lines, "X-A: \x01\nX-B: 7\n");
    assert_int_equal(loaded.rows[2]->payload_bytes, 0);
    assert_null(loaded.rows[3]->uid);
    assert_null(loaded.rows[3]->payload);
    load_free(&loaded);
    world_end(world);
}

static void only_what_is_pending(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing");
    for (int i = 0; i < 3; i++)
        add_webhook(world, "billing", "{}");
    sql(world->people, "UPDATE deliveries SET status = 'cancelled' WHERE id = 2");
    struct queue_load loaded = load(billing, 10, PLENTY);
    assert_int_equal(loaded.count, 2);
    assert_int_equal(loaded.rows[1]->id, 3);
    load_free(&loaded);
    world_end(world);
}

/* ---- endpoints ------------------------------------------------------------------------------- */

static void an_endpoint_with_all_its_settings(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    sql(world->people,
        "INSERT INTO endpoints (name, url, enabled, signing, headers, timeout_ms,"
        " connect_timeout_ms, max_attempts, retry_schedule, max_in_flight, rate_limit, rate_burst,"
        " ordered, tls_ca_file, tls_cert_file, tls_key_file, tls_insecure) VALUES ('all',"
        " 'https://all.example/', 0, 'github', '{\"X-A\": \"b\"}', 1000, 2000, 3, '5s 1m', 4, 2.5,"
        " 6, 1, '/ca', '/cert', '/key', 1)");
    int64_t next_due = 0;
    struct endpoint *endpoint = read_endpoint(1, &next_due);
    assert_true(next_due == CLOCK_NEVER);
    assert_int_equal(endpoint->id, 1);
    assert_string_equal(endpoint->name, "all");
    assert_string_equal(endpoint->url, "https://all.example/");
    assert_false(endpoint->enabled);
    assert_int_equal(endpoint->signing, SIGNING_GITHUB);
    assert_string_equal(endpoint->header_lines, "X-A: b\n");
    assert_int_equal(endpoint->timeout_ms, 1000);
    assert_int_equal(endpoint->connect_timeout_ms, 2000);
    assert_int_equal(endpoint->max_attempts, 3);
    assert_int_equal(endpoint->retry_schedule->count, 2);
    assert_int_equal(endpoint->retry_schedule->ms[1], 60000);
    assert_int_equal(endpoint->max_in_flight, 4);
    assert_true(endpoint->rate_limit > 2.4 && endpoint->rate_limit < 2.6);
    assert_int_equal(endpoint->rate_burst, 6);
    assert_true(endpoint->ordered);
    assert_string_equal(endpoint->tls_ca_file, "/ca");
    assert_string_equal(endpoint->tls_cert_file, "/cert");
    assert_string_equal(endpoint->tls_key_file, "/key");
    assert_true(endpoint->tls_insecure);
    endpoint_unref(endpoint);
    world_end(world);
}

static void an_endpoint_with_defaults_and_a_row(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing"), next_due = 0;
    sql(world->people, "INSERT INTO webhooks (endpoint, payload, created_at)"
                       " VALUES ('billing', 1, 1700000000000)");
    struct endpoint *endpoint = read_endpoint(billing, &next_due);
    assert_int_equal(next_due, 1700000000000);
    assert_true(endpoint->enabled);
    assert_int_equal(endpoint->signing, SIGNING_STANDARD);
    assert_int_equal(endpoint->secret_count, 1); /* made by a trigger */
    assert_int_equal(endpoint->timeout_ms, 0);
    assert_int_equal(endpoint->max_in_flight, 0);
    assert_null(endpoint->retry_schedule);
    assert_null(endpoint->header_lines);
    endpoint_unref(endpoint);
    assert_null(read_endpoint(99, &next_due));
    world_end(world);
}

static void the_newest_secret_comes_first(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing"), next_due;
    sql(world->people, "DELETE FROM endpoint_secrets;"
                       "INSERT INTO endpoint_secrets (endpoint_id, secret, created_at, expires_at)"
                       " VALUES (1, 'b', 2000, 4102444800000), (1, 'd', 3000, NULL),"
                       " (1, 'a', 1000, NULL), (1, 'c', 2000, NULL), (1, 'expired', 4000, 77)");
    struct endpoint *endpoint = read_endpoint(billing, &next_due);
    static const char *const order[] = {"d", "c", "b", "a"};
    assert_int_equal(endpoint->secret_count, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(endpoint->secrets[i].secret, order[i]);
    assert_int_equal(endpoint->secrets[2].expires_at, 4102444800000);
    assert_true(endpoint->secrets[0].expires_at == CLOCK_NEVER);
    endpoint_unref(endpoint);
    world_end(world);
}

static void a_secret_that_does_not_open_locks_its_endpoint(void **state) {
    (void)state;
    static const char insert[] = "INSERT INTO endpoint_secrets (endpoint_id, secret, expires_at)"
                                 " VALUES (1, 'sealed:v1:12345678:AAAA', %s)";
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing"), next_due;
    struct endpoint *endpoint;
    char text[200];
    snprintf(text, sizeof text, insert, "77"); /* of an expired one nothing is wanted */
    sql(world->people, text);
    endpoint = read_endpoint(billing, &next_due);
    assert_null(endpoint->locked);
    assert_int_equal(endpoint->secret_count, 1);
    endpoint_unref(endpoint);
    snprintf(text, sizeof text, insert, "NULL");
    sql(world->people, text);
    endpoint = read_endpoint(billing, &next_due);
    assert_non_null(strstr(endpoint->locked, "sealed with the key 12345678"));
    assert_int_equal(endpoint->locked_until, CLOCK_NEVER);
    endpoint_unref(endpoint);
    sql(world->people, "UPDATE endpoint_secrets SET expires_at = 9000000000000"
                       " WHERE secret GLOB 'sealed:*' AND expires_at IS NULL");
    endpoint = read_endpoint(billing, &next_due);
    assert_int_equal(endpoint->locked_until, 9000000000000);
    endpoint_unref(endpoint);
    sql(world->people, "UPDATE endpoints SET signing = 'none'"); /* then it needs none */
    endpoint = read_endpoint(billing, &next_due);
    assert_null(endpoint->locked);
    endpoint_unref(endpoint);
    world_end(world);
}

static void an_endpoint_without_a_valid_secret_is_locked(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing"), next_due;
    struct endpoint *endpoint = read_endpoint(billing, &next_due);
    assert_true(!endpoint->locked && !endpoint->locked_until);
    endpoint_unref(endpoint);
    sql(world->people, "UPDATE endpoint_secrets SET expires_at = 9000000000000");
    endpoint = read_endpoint(billing, &next_due); /* it is to be read again then */
    assert_null(endpoint->locked);
    assert_int_equal(endpoint->locked_until, 9000000000000);
    assert_true(endpoint_can_sign(endpoint, 8999999999999));
    assert_false(endpoint_can_sign(endpoint, 9000000000000));
    endpoint_unref(endpoint);
    sql(world->people, "UPDATE endpoint_secrets SET expires_at = 77");
    endpoint = read_endpoint(billing, &next_due);
    assert_non_null(strstr(endpoint->locked, "no valid secret"));
    assert_true(endpoint->keyless);
    assert_int_equal(endpoint->locked_until, CLOCK_NEVER);
    endpoint_unref(endpoint);
    sql(world->people, "UPDATE endpoints SET signing = 'none'");
    endpoint = read_endpoint(billing, &next_due);
    assert_null(endpoint->locked);
    assert_true(endpoint_can_sign(endpoint, 0));
    endpoint_unref(endpoint);
    world_end(world);
}

/* Edits the endpoint and its secret together, between the statements that read them. */
static int edit_between(unsigned event, void *context, void *statement, void *text) {
    struct world *world = context;
    (void)event, (void)text;
    if (strstr(sqlite3_sql(statement), "FROM endpoint_secrets"))
        sql(world->people, "BEGIN; UPDATE endpoints SET url = 'https://new.example/';"
                           " UPDATE endpoint_secrets SET secret = 'new'; COMMIT");
    return 0;
}

static void an_endpoint_and_its_secrets_are_of_one_time(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t billing = add_endpoint(world, "billing"), next_due;
    sql(world->people, "UPDATE endpoint_secrets SET secret = 'old'");
    sqlite3_trace_v2(world->daemon.handle, SQLITE_TRACE_STMT, edit_between, world);
    struct endpoint *endpoint = read_endpoint(billing, &next_due);
    sqlite3_trace_v2(world->daemon.handle, 0, NULL, NULL);
    assert_null(strstr(endpoint->url, "new"));
    assert_string_equal(endpoint->secrets[0].secret, "old");
    endpoint_unref(endpoint);
    endpoint = read_endpoint(billing, &next_due);
    assert_non_null(strstr(endpoint->url, "new"));
    assert_string_equal(endpoint->secrets[0].secret, "new");
    endpoint_unref(endpoint);
    world_end(world);
}

static void the_endpoints_that_need_a_lane(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t ids[QUEUE_PAGE];
    int count = 0;
    struct error error = {0};
    add_endpoint(world, "billing"); /* 1: it has a name */
    sql(world->people, "INSERT INTO webhooks (url, payload) VALUES ('http://a.example/', 1),"
                       " ('http://b.example/', 1);" /* 2 and 3 */
                       "UPDATE deliveries SET status = 'cancelled' WHERE endpoint_id = 2");
    assert_int_equal(queue_endpoints(&queue, 0, ids, &count, &error), 0);
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 3);
    assert_int_equal(queue_endpoints(&queue, 1, ids, &count, &error), 0);
    assert_int_equal(count, 1);
    world_end(world);
}

/* ---- news ------------------------------------------------------------------------------------ */

static void a_version_differs_after_each_commit_of_others(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t before = 0, after = 0;
    struct error error = {0};
    assert_int_equal(queue_version(&queue, &before, &error), 0);
    assert_int_equal(queue_version(&queue, &after, &error), 0);
    assert_int_equal(before, after);
    add_endpoint(world, "billing");
    assert_int_equal(queue_version(&queue, &after, &error), 0);
    assert_int_not_equal(before, after);
    sql(world->daemon.handle, "UPDATE queue_depth SET pending = pending"); /* its own is no news */
    before = after;
    assert_int_equal(queue_version(&queue, &after, &error), 0);
    assert_int_equal(before, after);
    world_end(world);
}

static void what_was_there_at_the_start_is_no_news(void **state) {
    (void)state;
    struct world *world = world_open();
    struct queue_notice notices[QUEUE_PAGE];
    int64_t ids[QUEUE_PAGE];
    int count = -1;
    bool more = true;
    struct error error = {0};
    add_endpoint(world, "billing");
    sql(world->people, "UPDATE endpoints SET description = 'x'");
    add_webhook(world, "billing", "{}");
    assert_int_equal(queue_open(&queue, &world->daemon, NULL, &error), 0);
    assert_int_equal(queue_fresh(&queue, notices, &count, &more, &error), 0);
    assert_int_equal(count, 0);
    assert_false(more);
    assert_int_equal(queue_changes(&queue, ids, &count, &error), 0);
    assert_int_equal(count, 0);
    world_end(world);
}

static void fresh_rows_page_by_page(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    struct queue_notice notices[QUEUE_PAGE];
    int count = 0, pages = 0;
    bool more = true;
    struct error error = {0};
    add_endpoint(world, "billing");
    add_endpoint(world, "other");
    sql(world->people,
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
        " INSERT INTO webhooks (endpoint, payload, created_at) SELECT"
        " iif(i %% 2, 'billing', 'other'), i, 1700000000000 - i FROM n",
        2 * QUEUE_PAGE + 3);
    while (more) {
        assert_int_equal(queue_fresh(&queue, notices, &count, &more, &error), 0);
        assert_int_equal(count, 2); /* an entry an endpoint, with the earliest */
        pages++;
        int64_t last = pages < 3 ? pages * QUEUE_PAGE - 1 : 2 * QUEUE_PAGE + 2;
        for (int i = 0; i < 2; i++)
            assert_true(notices[i].due_at == 1700000000000 - last ||
                        notices[i].due_at == 1700000000000 - last + 1);
        assert_int_not_equal(notices[0].endpoint_id, notices[1].endpoint_id);
    }
    assert_int_equal(pages, 3);
    assert_int_equal(queue_fresh(&queue, notices, &count, &more, &error), 0);
    assert_int_equal(count, 0);
    world_end(world);
}

static void changes_page_by_page_and_each_endpoint_once(void **state) {
    (void)state;
    struct world *world = world_with_queue();
    int64_t ids[QUEUE_PAGE];
    int count = 0;
    struct error error = {0};
    sql(world->people,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
        " INSERT INTO endpoints (name, url) SELECT 'e' || i, 'http://e/' FROM n;"
        "UPDATE endpoints SET description = 'x';"
        "UPDATE endpoints SET description = 'y' WHERE id = 1",
        QUEUE_PAGE + 10);
    assert_int_equal(queue_changes(&queue, ids, &count, &error), 0);
    assert_int_equal(count, QUEUE_PAGE);
    assert_int_equal(ids[0], 2); /* the first one was changed last */
    assert_int_equal(queue_changes(&queue, ids, &count, &error), 0);
    assert_int_equal(count, 10);
    assert_int_equal(ids[9], 1);
    assert_int_equal(queue_changes(&queue, ids, &count, &error), 0);
    assert_int_equal(count, 0);
    sql(world->people, "DELETE FROM endpoints WHERE id = 5");
    assert_int_equal(queue_changes(&queue, ids, &count, &error), 0);
    assert_int_equal(count, 1);
    assert_int_equal(ids[0], 5);
    world_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_read_goes_by_an_index),
        cmocka_unit_test(in_order_and_no_more_than_asked_for),
        cmocka_unit_test(equal_times_come_by_id),
        cmocka_unit_test(handed_out_once_until_it_is_given_back),
        cmocka_unit_test(no_more_rows_than_a_load_holds),
        cmocka_unit_test(no_more_payload_than_allowed),
        cmocka_unit_test(a_row_and_its_webhook),
        cmocka_unit_test(payloads_of_every_type),
        cmocka_unit_test(rows_that_came_in_past_the_triggers),
        cmocka_unit_test(only_what_is_pending),
        cmocka_unit_test(an_endpoint_with_all_its_settings),
        cmocka_unit_test(an_endpoint_with_defaults_and_a_row),
        cmocka_unit_test(the_newest_secret_comes_first),
        cmocka_unit_test(a_secret_that_does_not_open_locks_its_endpoint),
        cmocka_unit_test(an_endpoint_without_a_valid_secret_is_locked),
        cmocka_unit_test(an_endpoint_and_its_secrets_are_of_one_time),
        cmocka_unit_test(the_endpoints_that_need_a_lane),
        cmocka_unit_test(a_version_differs_after_each_commit_of_others),
        cmocka_unit_test(what_was_there_at_the_start_is_no_news),
        cmocka_unit_test(fresh_rows_page_by_page),
        cmocka_unit_test(changes_page_by_page_and_each_endpoint_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
