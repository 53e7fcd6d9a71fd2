/* The JSON of webhooks.headers, on its whole way: through the triggers into a database of our
 * schema, by the queue's SQL into lines, and into the list that libcurl sends.
 *
 * - What a trigger lets in makes a call, with a line for each member of the object.
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

enum { OURS = 4 }; /* webhook-id, webhook-timestamp, Content-Type, Expect */

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

static bool try(const char *sql, const char *headers, size_t length, int64_t *number) {
    sqlite3_stmt *statement;
    fuzz_require(sqlite3_prepare_v2(database.handle, sql, -1, &statement, NULL) == SQLITE_OK);
    sqlite3_bind_text64(statement, 1, headers, length, SQLITE_STATIC, SQLITE_UTF8);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE;
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

/* Makes the call's lines; returns how many, or -1 when it can't be made. */
static int make_call(void) {
    struct http_call *call = new (struct http_call);
    struct curl_slist *lines = NULL;
    struct error error = {0};
    struct endpoint *endpoint = endpoint_new();
    int count = 0;
    endpoint->signing = SIGNING_NONE;
    call->policy = http_policy_new();
    call->delivery = load();
    call->delivery->endpoint = endpoint;
    call->endpoint = endpoint;
    int r = request_headers_make(call, 1700000000000, &lines, &error);
    if (r)
        fuzz_require(*error.text);
    else
        for (const struct curl_slist *line = lines; line; line = line->next, count++)
            judge_line(line->data);
    curl_slist_free_all(lines);
    delivery_free(call->delivery);
    http_call_free(call);
    return r ? -1 : count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *headers = (const char *)data;
    int64_t members = 0, ignored;
    set_up();

    run("BEGIN");
    if (try("INSERT INTO webhooks (endpoint, payload, headers) VALUES ('a', 'x', ?1)", headers,
            size, &ignored)) {
        fuzz_require(try("SELECT count(*) FROM json_each(?1)", headers, size, &members));
        fuzz_require(make_call() == members + OURS);
    }
    run("ROLLBACK");

    run("BEGIN");
    sqlite3_db_config(database.handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    fuzz_require(try("INSERT INTO webhooks (endpoint, payload, headers) VALUES ('a', 'x', ?1)",
                     headers, size, &ignored));
    run("INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at)"
        " SELECT id, 1, created_at, created_at FROM webhooks");
    sqlite3_db_config(database.handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    (void)make_call();
    run("ROLLBACK");
    return 0;
}
