#include "outhook/store/queue.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/seal.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Header objects become lines here, as JSON is SQLite's to read. The triggers let in nothing but
 * objects of clean strings; what got past them becomes a control character, which no header may
 * hold, so that the call is refused when it is made. */
#define HEADER_LINES                                                                               \
    "CASE WHEN headers IS NULL THEN NULL WHEN NOT json_valid(headers) THEN char(1) ELSE"           \
    " (SELECT group_concat(replace(coalesce(key, char(1)) || ': ' || coalesce(atom, char(1)),"     \
    " char(10), char(1)), char(10)) || char(10) FROM json_each(headers)) END"

static const char sql_endpoint[] =
    "SELECT name, url, enabled, ordered, tls_insecure, signing, " HEADER_LINES
    ", timeout_ms, connect_timeout_ms, max_attempts, max_in_flight, rate_burst, rate_limit,"
    " retry_schedule, tls_ca_file, tls_cert_file, tls_key_file,"
    " failing_since, http_version = '2', allow_private FROM endpoints WHERE id = ?1";
static const char sql_secrets[] = "SELECT secret, expires_at FROM endpoint_secrets"
                                  " WHERE endpoint_id = ?1 ORDER BY created_at DESC, id DESC";
static const char sql_next_due[] =
    "SELECT due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = ?1"
    " ORDER BY due_at LIMIT 1";
/* 'pending' stands literally: the planner has to see that the partial index fits. Nothing but what
 * is in the index, so that rows that are under way are stepped over without being read, and by
 * SQLite itself, which is quicker at it than who asks for each of them. */
static const char sql_due[] =
    "SELECT id, due_at FROM deliveries WHERE status = 'pending' AND endpoint_id = ?1"
    " AND NOT handed_out(id) ORDER BY due_at, id";
static const char sql_row[] =
    "SELECT d.webhook_id, d.attempts, d.attempts_before, d.expires_at, d.created_at, d.retry_at,"
    " w.id, uid, type, method, content_type, " HEADER_LINES ", payload"
    " FROM deliveries AS d LEFT JOIN webhooks AS w ON w.id = d.webhook_id WHERE d.id = ?1";
static const char sql_fresh[] =
    "SELECT id, endpoint_id, due_at FROM deliveries WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char sql_changes[] =
    "SELECT seq, endpoint_id FROM endpoint_changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
static const char sql_boot[] =
    "SELECT id FROM endpoints AS e WHERE id > ?1 AND (name IS NOT NULL OR EXISTS"
    " (SELECT 1 FROM deliveries WHERE status = 'pending' AND endpoint_id = e.id))"
    " ORDER BY id LIMIT ?2";

static void sql_handed_out(sqlite3_context *context, int count, sqlite3_value **values) {
    const struct queue *queue = sqlite3_user_data(context);
    int64_t id = sqlite3_value_int64(values[0]);
    (void)count;
    sqlite3_result_int(context, map_get(&queue->handed_out, id) != NULL);
}

/* On this connection alone, which runs no triggers: nothing in the schema may call it. */
static int queue_add_functions(struct queue *queue, struct error *error) {
    int code = sqlite3_create_function_v2(queue->database->handle, "handed_out", 1,
                                          SQLITE_UTF8 | SQLITE_DIRECTONLY, queue, sql_handed_out,
                                          NULL, NULL, NULL);
    return code ? database_error(queue->database, code, "read the queue", error) : 0;
}

static int queue_prepare(struct queue *queue, struct error *error) {
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&queue->endpoint, sql_endpoint},
        {&queue->secrets, sql_secrets},
        {&queue->next_due, sql_next_due},
        {&queue->due, sql_due},
        {&queue->row, sql_row},
        {&queue->fresh, sql_fresh},
        {&queue->changes, sql_changes},
        {&queue->boot, sql_boot},
        {&queue->data_version, "PRAGMA data_version"},
        {&queue->begin, "BEGIN"},
        {&queue->end, "COMMIT"},
    };
    int r = 0;
    for (size_t i = 0; !r && i < sizeof all / sizeof *all; i++)
        r = database_prepare(queue->database, all[i].statement, all[i].sql, error);
    return r;
}

int queue_open(struct queue *queue, struct database *database, const struct seal_keys *keys,
               struct error *error) {
    *queue = (struct queue){.database = database, .keys = keys};
    int r = queue_add_functions(queue, error);
    if (!r)
        r = queue_prepare(queue, error);
    if (!r)
        r = database_integer(database, "SELECT max(id) FROM deliveries", &queue->last_delivery_id,
                             error);
    if (!r)
        r = database_integer(database, "SELECT max(seq) FROM endpoint_changes",
                             &queue->last_change_seq, error);
    return r;
}

void queue_close(struct queue *queue) {
    sqlite3_stmt *const all[] = {queue->endpoint,     queue->secrets, queue->next_due, queue->due,
                                 queue->row,          queue->fresh,   queue->changes,  queue->boot,
                                 queue->data_version, queue->begin,   queue->end};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    map_free(&queue->handed_out);
    *queue = (struct queue){0};
}

/* Ends a statement's use, so that it holds no snapshot; turns its last result into our own. */
static int queue_reset(struct queue *queue, sqlite3_stmt *statement, int code,
                       struct error *error) {
    int r = 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        r = database_error(queue->database, code, "read the queue", error);
    sqlite3_reset(statement);
    return r;
}

int queue_begin(struct queue *queue, struct error *error) {
    if (queue->reading)
        return 0;
    int code = sqlite3_step(queue->begin);
    queue->reading = code == SQLITE_DONE;
    return queue_reset(queue, queue->begin, code, error);
}

void queue_end(struct queue *queue) {
    if (!queue->reading)
        return;
    sqlite3_step(queue->end); /* of a transaction that only read; it can't fail */
    sqlite3_reset(queue->end);
    queue->reading = false;
}

int queue_version(struct queue *queue, int64_t *version, struct error *error) {
    int code = sqlite3_step(queue->data_version);
    if (code == SQLITE_ROW)
        *version = sqlite3_column_int64(queue->data_version, 0);
    return queue_reset(queue, queue->data_version, code, error);
}

int queue_endpoints(struct queue *queue, int64_t after, int64_t ids[QUEUE_PAGE], int *count,
                    struct error *error) {
    int code;
    *count = 0;
    sqlite3_bind_int64(queue->boot, 1, after);
    sqlite3_bind_int(queue->boot, 2, QUEUE_PAGE);
    while ((code = sqlite3_step(queue->boot)) == SQLITE_ROW)
        ids[(*count)++] = sqlite3_column_int64(queue->boot, 0);
    return queue_reset(queue, queue->boot, code, error);
}

/* ---- endpoints ------------------------------------------------------------------------------- */

static struct durations *queue_schedule(const char *text) {
    struct durations durations;
    if (!text || !durations_parse(text, &durations))
        return NULL;
    struct durations *copy = new (struct durations);
    *copy = durations;
    return copy;
}

static void queue_read_endpoint(sqlite3_stmt *row, struct endpoint *endpoint) {
    const char *signing = database_text_in(row, 5);
    endpoint->name = database_text(row, 0);
    endpoint->url = database_text(row, 1);
    endpoint->enabled = sqlite3_column_int(row, 2) != 0;
    endpoint->ordered = sqlite3_column_int(row, 3) != 0;
    endpoint->tls_insecure = sqlite3_column_int(row, 4) != 0;
    endpoint->signing = SIGNING_STANDARD;
    if (signing)
        signing_parse(signing, &endpoint->signing);
    endpoint->header_lines = database_text(row, 6);
    endpoint->timeout_ms = sqlite3_column_int64(row, 7);
    endpoint->connect_timeout_ms = sqlite3_column_int64(row, 8);
    endpoint->max_attempts = sqlite3_column_int(row, 9);
    endpoint->max_in_flight = sqlite3_column_int(row, 10);
    endpoint->rate_burst = sqlite3_column_int(row, 11);
    endpoint->rate_limit = sqlite3_column_double(row, 12);
    endpoint->retry_schedule = queue_schedule(database_text_in(row, 13));
    endpoint->tls_ca_file = database_text(row, 14);
    endpoint->tls_cert_file = database_text(row, 15);
    endpoint->tls_key_file = database_text(row, 16);
    endpoint->failing_since = sqlite3_column_int64(row, 17);
    endpoint->http2 = sqlite3_column_int(row, 18) != 0;
    endpoint->allow_private = sqlite3_column_int(row, 19) != 0;
}

/* Opens one secret of an endpoint. One that does not open keeps an endpoint that needs it from
 * being sent to: unsigned, or signed by an older one, its receiver would refuse it. */
static void queue_add_secret(struct queue *queue, struct endpoint *endpoint, const char *stored,
                             int64_t expires_at) {
    static const struct seal_keys none;
    struct error why = {0};
    char *secret;
    if (expires_at <= clock_now().wall_ms || endpoint->signing == SIGNING_NONE)
        return;
    if (seal_open(queue->keys ? queue->keys : &none, endpoint->id, stored, &secret, &why)) {
        if (!endpoint->locked)
            endpoint->locked = memory_copy_string(why.text);
        if (expires_at > endpoint->locked_until)
            endpoint->locked_until = expires_at;
        return;
    }
    endpoint->secrets = memory_resize(endpoint->secrets, (size_t)endpoint->secret_count + 1,
                                      sizeof *endpoint->secrets);
    struct endpoint_secret *added = &endpoint->secrets[endpoint->secret_count++];
    *added = (struct endpoint_secret){.secret = secret, .expires_at = expires_at};
    added->keyed = signature_prepare(endpoint->signing, secret, &added->key);
}

/* An endpoint that is to be signed for is not called without a signature: not when it is read, and
 * not when its last secret expires, when it is read again. */
static void queue_check_secrets(struct endpoint *endpoint) {
    int64_t last_at = 0;
    if (!endpoint->name || endpoint->signing == SIGNING_NONE || endpoint->locked)
        return;
    for (int i = 0; i < endpoint->secret_count; i++)
        if (endpoint->secrets[i].expires_at > last_at)
            last_at = endpoint->secrets[i].expires_at;
    endpoint->locked_until = last_at == CLOCK_NEVER ? 0 : last_at;
    if (endpoint->secret_count)
        return;
    endpoint->keyless = true;
    endpoint->locked_until = CLOCK_NEVER;
    endpoint->locked =
        memory_copy_string("it has no valid secret to be signed with: outhook endpoint "
                           "rotate-secret makes one, and signing=none does without");
}

static int queue_read_secrets(struct queue *queue, struct endpoint *endpoint, struct error *error) {
    int code;
    sqlite3_bind_int64(queue->secrets, 1, endpoint->id);
    while ((code = sqlite3_step(queue->secrets)) == SQLITE_ROW) {
        bool expires = sqlite3_column_type(queue->secrets, 1) != SQLITE_NULL;
        queue_add_secret(queue, endpoint, database_text_in(queue->secrets, 0),
                         expires ? sqlite3_column_int64(queue->secrets, 1) : CLOCK_NEVER);
    }
    queue_check_secrets(endpoint);
    return queue_reset(queue, queue->secrets, code, error);
}

static int queue_read_next_due(struct queue *queue, int64_t id, int64_t *next_due,
                               struct error *error) {
    sqlite3_bind_int64(queue->next_due, 1, id);
    int code = sqlite3_step(queue->next_due);
    *next_due = code == SQLITE_ROW ? sqlite3_column_int64(queue->next_due, 0) : CLOCK_NEVER;
    return queue_reset(queue, queue->next_due, code, error);
}

/* As long as the endpoint's own statement has not been reset, all are of one point in time: else a
 * new URL could be signed with the old one's secret. */
int queue_endpoint(struct queue *queue, int64_t id, struct endpoint **endpoint, int64_t *next_due,
                   struct error *error) {
    int r = 0;
    *endpoint = NULL;
    sqlite3_bind_int64(queue->endpoint, 1, id);
    int code = sqlite3_step(queue->endpoint);
    if (code == SQLITE_ROW) {
        *endpoint = endpoint_new();
        (*endpoint)->id = id;
        queue_read_endpoint(queue->endpoint, *endpoint);
    }
    if (*endpoint)
        r = queue_read_secrets(queue, *endpoint, error);
    if (!r && *endpoint)
        r = queue_read_next_due(queue, id, next_due, error);
    int reset = queue_reset(queue, queue->endpoint, code, r ? NULL : error);
    r = r ? r : reset;
    if (r)
        *endpoint = endpoint_unref(*endpoint);
    return r;
}

/* ---- news ------------------------------------------------------------------------------------ */

int queue_changes(struct queue *queue, int64_t ids[QUEUE_PAGE], int *count, struct error *error) {
    int64_t seq = queue->last_change_seq;
    int code;
    *count = 0;
    sqlite3_bind_int64(queue->changes, 1, seq);
    sqlite3_bind_int(queue->changes, 2, QUEUE_PAGE);
    while ((code = sqlite3_step(queue->changes)) == SQLITE_ROW) {
        seq = sqlite3_column_int64(queue->changes, 0);
        ids[(*count)++] = sqlite3_column_int64(queue->changes, 1);
    }
    int r = queue_reset(queue, queue->changes, code, error);
    if (!r)
        queue->last_change_seq = seq;
    return r;
}

/* Adds one row to the page; rows of one endpoint usually come together. */
static void queue_add_notice(struct queue_notice notices[QUEUE_PAGE], int *count,
                             struct map *places, int64_t endpoint_id, int64_t due_at) {
    struct queue_notice *notice = map_get(places, endpoint_id);
    if (notice) {
        notice->rows++;
        if (due_at < notice->due_at)
            notice->due_at = due_at;
        return;
    }
    notice = &notices[(*count)++];
    *notice = (struct queue_notice){endpoint_id, due_at, 1};
    map_put(places, endpoint_id, notice);
}

int queue_fresh(struct queue *queue, struct queue_notice notices[QUEUE_PAGE], int *count,
                bool *more, struct error *error) {
    struct map places = {0};
    int64_t last_id = queue->last_delivery_id;
    int code, rows = 0;
    *count = 0;
    sqlite3_bind_int64(queue->fresh, 1, last_id);
    sqlite3_bind_int(queue->fresh, 2, QUEUE_PAGE);
    while ((code = sqlite3_step(queue->fresh)) == SQLITE_ROW) {
        last_id = sqlite3_column_int64(queue->fresh, 0);
        queue_add_notice(notices, count, &places, sqlite3_column_int64(queue->fresh, 1),
                         sqlite3_column_int64(queue->fresh, 2));
        rows++;
    }
    map_free(&places);
    int r = queue_reset(queue, queue->fresh, code, error);
    if (!r) {
        queue->last_delivery_id = last_id;
        *more = rows == QUEUE_PAGE;
    }
    return r;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* The columns from `first` on, in the order of the fields; all are NULL when the webhook's row is
 * gone. */
static struct delivery *queue_read_texts(sqlite3_stmt *row, int first) {
    enum { FIELDS = 5 };
    const char *texts[FIELDS];
    size_t bytes = 0;
    for (int i = 0; i < FIELDS; i++) {
        texts[i] = database_text_in(row, first + i);
        bytes += texts[i] ? (size_t)sqlite3_column_bytes(row, first + i) + 1 : 0;
    }
    struct delivery *delivery = delivery_new(bytes);
    const char **const fields[FIELDS] = {&delivery->uid, &delivery->type, &delivery->method,
                                         &delivery->content_type, &delivery->header_lines};
    char *at = delivery->texts;
    for (int i = 0; i < FIELDS; i++) {
        *fields[i] = texts[i] ? at : NULL;
        if (texts[i])
            at = stpcpy(at, texts[i]) + 1;
    }
    return delivery;
}

static struct delivery *queue_read_delivery(sqlite3_stmt *row) {
    struct delivery *delivery = queue_read_texts(row, 7);
    bool expires = sqlite3_column_type(row, 3) != SQLITE_NULL;
    delivery->webhook_id = sqlite3_column_int64(row, 0);
    delivery->attempts = sqlite3_column_int(row, 1);
    delivery->attempts_before = sqlite3_column_int(row, 2);
    delivery->expires_at = expires ? sqlite3_column_int64(row, 3) : CLOCK_NEVER;
    delivery->created_at = sqlite3_column_int64(row, 4);
    delivery->retry_at = sqlite3_column_int64(row, 5);
    return delivery;
}

static void queue_copy_payload(sqlite3_stmt *row, int column, struct delivery *delivery) {
    const void *bytes = sqlite3_column_type(row, column) == SQLITE_BLOB
                            ? sqlite3_column_blob(row, column)
                            : (const void *)database_text_in(row, column);
    delivery->payload_bytes = (size_t)sqlite3_column_bytes(row, column);
    if (delivery->payload_bytes && !bytes)
        memory_exhausted();
    char *copy = memory_raw(delivery->payload_bytes + 1);
    if (delivery->payload_bytes)
        memcpy(copy, bytes, delivery->payload_bytes);
    copy[delivery->payload_bytes] = '\0';
    delivery->payload = copy;
}

/* Reads a row unless its payload is larger than `bytes`; then *delivery is NULL, and *too_large
 * says how large it is. */
static int queue_read_row(struct queue *queue, int64_t id, int64_t bytes,
                          struct delivery **delivery, int64_t *too_large, struct error *error) {
    sqlite3_stmt *row = queue->row;
    *delivery = NULL;
    *too_large = 0;
    sqlite3_bind_int64(row, 1, id);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW && sqlite3_column_bytes(row, 12) > bytes) {
        *too_large = sqlite3_column_bytes(row, 12);
    } else if (code == SQLITE_ROW) {
        *delivery = queue_read_delivery(row);
        (*delivery)->id = id;
        if (sqlite3_column_type(row, 6) != SQLITE_NULL) /* the webhook is there */
            queue_copy_payload(row, 12, *delivery);
    }
    return queue_reset(queue, row, code, error);
}

/* Adds the row that `due` stands on. False when it ends the load: there is no room. */
static int queue_load_row(struct queue *queue, int64_t endpoint_id, int64_t *bytes_left,
                          struct queue_load *load, bool *added, struct error *error) {
    struct delivery *delivery;
    int64_t id = sqlite3_column_int64(queue->due, 0), too_large;
    int r = queue_read_row(queue, id, *bytes_left, &delivery, &too_large, error);
    *added = !r && delivery;
    if (!*added) {
        if (!load->count)
            load->need_bytes = too_large;
        delivery_free(delivery);
        return r;
    }
    delivery->endpoint_id = endpoint_id;
    delivery->due_at = sqlite3_column_int64(queue->due, 1);
    *bytes_left -= (int64_t)delivery->payload_bytes;
    map_put(&queue->handed_out, id, delivery);
    load->rows[load->count++] = delivery;
    return 0;
}

static void queue_load_undo(struct queue *queue, struct queue_load *load) {
    while (load->count > 0) {
        struct delivery *delivery = load->rows[--load->count];
        queue_forget(queue, delivery->id);
        delivery_free(delivery);
    }
}

int queue_load(struct queue *queue, int64_t endpoint_id, int rows, int64_t bytes,
               int64_t now_wall_ms, struct queue_load *load, struct error *error) {
    int code, r = 0;
    *load = (struct queue_load){.next_due = CLOCK_NEVER};
    if (rows > QUEUE_ROWS_MAX)
        rows = QUEUE_ROWS_MAX;
    sqlite3_bind_int64(queue->due, 1, endpoint_id);
    while ((code = sqlite3_step(queue->due)) == SQLITE_ROW) {
        bool added = false;
        int64_t due_at = sqlite3_column_int64(queue->due, 1);
        if (due_at <= now_wall_ms && load->count < rows)
            r = queue_load_row(queue, endpoint_id, &bytes, load, &added, error);
        if (!added) {
            load->next_due = due_at;
            break;
        }
    }
    int reset = queue_reset(queue, queue->due, code, error);
    r = r ? r : reset;
    if (r)
        queue_load_undo(queue, load);
    return r;
}

void queue_forget(struct queue *queue, int64_t delivery_id) {
    map_remove(&queue->handed_out, delivery_id);
}
