/* The JSON of webhooks.headers, on its whole way: through the triggers into a database of our
 * schema, by the queue's SQL into lines, and into the list that libcurl sends.
 *
 * - What a trigger lets in makes a call, with a line for each member of the object, as it stands
 * there.
 * - What came in past the triggers makes a call whose lines are clean, or none. */

#include "fuzz.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/header.h"
#include "outhook/http/call.h"
#include "outhook/http/request_headers.h"
#include "outhook/store/database.h"
#include "outhook/store/queue.h"

#include <sqlite3.h>

enum { OURS = 4 }; /* User-Agent, webhook-id, webhook-timestamp, Content-Type */

static struct database database;
static struct queue queue;

static void run(const char *sql) {
    if (sqlite3_exec(database.handle, sql, NULL, NULL, NULL)) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(database.handle));
        abort();
    }
}

static void set_up(void) {
    struct error error = {0};
    if (database.handle)
        return;
    fuzz_require(sqlite3_open(":memory:", &database.handle) == SQLITE_OK);
    for (int i = 0; i < migrations_count; i++)
        run(migrations[i].sql);
    run("INSERT INTO endpoints (name, url, signing) VALUES ('a', 'http://a.example/', 'none')");
    fuzz_require(queue_open(&queue, &database, NULL, &error) == 0);
}

/* As a producer does; false when a trigger refuses. */
static bool insert(const char *headers, size_t length) {
    sqlite3_stmt *statement;
    fuzz_require(sqlite3_prepare_v2(
                     database.handle,
                     "INSERT INTO webhooks (endpoint, payload, headers) VALUES ('a', 'x', ?1)", -1,
                     &statement, NULL) == SQLITE_OK);
    sqlite3_bind_text64(statement, 1, headers, length, SQLITE_STATIC, SQLITE_UTF8);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE;
}

static struct delivery *load(void) {
    struct queue_load loaded;
    struct error error = {0};
    fuzz_require(queue_load(&queue, 1, 1, 1000, CLOCK_NEVER, &loaded, &error) == 0);
    fuzz_require(loaded.count == 1);
    queue_forget(&queue, loaded.rows[0]->id);
    return loaded.rows[0];
}

/* A line as libcurl takes it: "Name: value", or "Name;" for an empty one, or "Expect:". */
static void judge_line(const char *line) {
    size_t name = strcspn(line, ":;"), length = strlen(line);
    fuzz_require(header_name_valid(line, name) && name < length);
    fuzz_require(header_value_valid(line, length));
    fuzz_require(line[name] == ':' || length == name + 1);
}

/* Holds the lines after ours against the members of the object. */
static void judge_members(const struct curl_slist *line, const char *headers, size_t length) {
    sqlite3_stmt *member;
    fuzz_require(
        sqlite3_prepare_v2(database.handle,
                           "SELECT key || CASE value WHEN '' THEN ';' ELSE ': ' || value END"
                           " FROM json_each(?1)",
                           -1, &member, NULL) == SQLITE_OK);
    sqlite3_bind_text64(member, 1, headers, length, SQLITE_STATIC, SQLITE_UTF8);
    for (int i = 0; i < OURS && line; i++)
        line = line->next;
    for (; sqlite3_step(member) == SQLITE_ROW; line = line->next) {
        const void *expected = sqlite3_column_text(member, 0);
        fuzz_require(line && strlen(line->data) == (size_t)sqlite3_column_bytes(member, 0));
        fuzz_require(!memcmp(line->data, expected, strlen(line->data)));
    }
    fuzz_require(!line);
    sqlite3_finalize(member);
}

/* Makes the call of the newest webhook; false when it can't be made. `headers` is what its lines
 * have to be, or NULL. */
static bool make_call(const char *headers, size_t length) {
    struct http_call *call = new (struct http_call);
    struct request_headers lines = {0};
    struct error error = {0};
    struct endpoint *endpoint = endpoint_new();
    endpoint->signing = SIGNING_NONE;
    call->policy = http_policy_new();
    call->delivery = load();
    call->delivery->endpoint = endpoint;
    call->endpoint = endpoint;
    int r = request_headers_make(&lines, call, 1700000000000, &error);
    if (r)
        fuzz_require(*error.text);
    for (const struct curl_slist *line = lines.list; line && !r; line = line->next)
        judge_line(line->data);
    if (!r && headers)
        judge_members(lines.list, headers, length);
    request_headers_free(&lines);
    delivery_free(call->delivery);
    http_call_free(call);
    return !r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *headers = (const char *)data;
    set_up();

    run("BEGIN");
    if (insert(headers, size))
        fuzz_require(make_call(headers, size));
    run("ROLLBACK");

    run("BEGIN");
    sqlite3_db_config(database.handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    fuzz_require(insert(headers, size));
    run("INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at)"
        " SELECT id, 1, created_at, created_at FROM webhooks");
    sqlite3_db_config(database.handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    (void)make_call(NULL, 0);
    run("ROLLBACK");
    return 0;
}
