#include "outhook/store/load.h"

#include "outhook/base/buffer.h"
#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOAD_HOLD_US = 10000, /* a transaction ends after so long, however few it inserted */
    LOAD_LOOK_EVERY_MS = 100,
    LOAD_PAUSE_MAX_MS = 100, /* between two reports */
};

static void load_sleep_ms(int64_t ms) {
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- inserting ------------------------------------------------------------------------------- */

struct loading {
    struct database *database;
    const struct load *load;
    struct load_result *result;
    sqlite3_stmt *statement;
    struct buffer payload;
};

/* {"n":17,"padding":"xxxx…"}, as long as is wanted. */
static void loading_payload(struct loading *loading, int64_t n) {
    struct buffer *payload = &loading->payload;
    buffer_clear(payload);
    buffer_print(payload, "{\"n\":%" PRId64 ",\"p\":\"", n);
    while ((int64_t)payload->length < loading->load->bytes - 2)
        buffer_append(payload, "x", 1);
    buffer_print(payload, "\"}");
}

static int loading_row(struct loading *loading, int64_t n, struct error *error) {
    struct load_result *result = loading->result;
    struct buffer url = {0};
    buffer_print(&url, "%s%" PRId64, loading->load->url, 1 + n % loading->load->urls);
    loading_payload(loading, n);
    database_bind_text(loading->statement, 1, buffer_text(&url));
    sqlite3_bind_text(loading->statement, 2, loading->payload.data, (int)loading->payload.length,
                      SQLITE_STATIC);
    int code = sqlite3_step(loading->statement);
    int r = code == SQLITE_DONE
                ? 0
                : database_error(loading->database, code, "insert a webhook", error);
    sqlite3_reset(loading->statement);
    buffer_free(&url);
    int64_t id = sqlite3_last_insert_rowid(loading->database->handle);
    if (!r && !result->first_id)
        result->first_id = id;
    if (!r)
        result->last_id = id;
    return r;
}

/* One transaction; what of it was inserted before a refusal stays. */
static int loading_slice(struct loading *loading, int64_t most, struct error *error) {
    struct load_result *result = loading->result;
    int64_t done = 0;
    int r = database_run(loading->database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    int64_t began_us = clock_mono_us();
    while (!r && done < most && (!done || clock_mono_us() - began_us < LOAD_HOLD_US)) {
        r = loading_row(loading, result->inserted + done, error);
        done += !r;
    }
    int committed = database_run(loading->database, "COMMIT", r ? NULL : error);
    if (committed)
        sqlite3_exec(loading->database->handle, "ROLLBACK", NULL, NULL, NULL);
    else
        result->inserted += done;
    return r ? r : committed;
}

/* How many are to be there by now. */
static int64_t loading_wanted(const struct load *load, int64_t elapsed_us) {
    if (!load->per_second)
        return load->webhooks;
    double wanted = 1 + (double)load->per_second * (double)elapsed_us / 1e6;
    return wanted < (double)load->webhooks ? (int64_t)wanted : load->webhooks;
}

/* Waits for the time of the next one, but not for long. */
static void loading_pause(const struct loading *loading, int64_t elapsed_us) {
    const struct load *load = loading->load;
    double at_us = (double)loading->result->inserted * 1e6 / (double)load->per_second;
    int64_t ms = (int64_t)((at_us - (double)elapsed_us) / 1000) + 1;
    load_sleep_ms(ms < 1 ? 1 : ms > LOAD_PAUSE_MAX_MS ? LOAD_PAUSE_MAX_MS : ms);
}

static int loading_run(struct loading *loading, load_report *report, void *context,
                       struct error *error) {
    struct load_result *result = loading->result;
    const struct load *load = loading->load;
    int64_t began_us = clock_mono_us();
    int r = 0;
    while (!r && result->inserted < load->webhooks && !result->stopped) {
        int64_t elapsed_us = clock_mono_us() - began_us;
        int64_t most = loading_wanted(load, elapsed_us) - result->inserted;
        most = most < load->in_one_go ? most : load->in_one_go;
        if (most > 0)
            r = loading_slice(loading, most, error);
        else
            loading_pause(loading, elapsed_us);
        result->stopped = !report(result->inserted, context);
    }
    result->took_us = clock_mono_us() - began_us;
    return r;
}

int load_insert(struct database *database, const struct load *load, struct load_result *result,
                load_report *report, void *context, struct error *error) {
    struct loading loading = {.database = database, .load = load, .result = result};
    *result = (struct load_result){0};
    int r = database_prepare(database, &loading.statement,
                             "INSERT INTO webhooks (type, url, payload) "
                             "VALUES ('" LOAD_TYPE "', ?1, ?2)",
                             error);
    if (r)
        return r;
    r = loading_run(&loading, report, context, error);
    sqlite3_finalize(loading.statement);
    buffer_free(&loading.payload);
    return r;
}

/* ---- what became of them --------------------------------------------------------------------- */

/* The first webhook from *from on that has a pending delivery, or one beyond the last. */
static int find_pending(struct database *database, const struct load_result *result, int64_t *from,
                        struct error *error) {
    struct buffer sql = {0};
    buffer_print(&sql,
                 "SELECT coalesce((SELECT webhook_id FROM deliveries WHERE webhook_id "
                 "BETWEEN %" PRId64 " AND %" PRId64 " AND status = 'pending' "
                 "ORDER BY webhook_id LIMIT 1), %" PRId64 ")",
                 *from, result->last_id, result->last_id + 1);
    int r = database_integer(database, buffer_text(&sql), from, error);
    buffer_free(&sql);
    return r;
}

int load_wait(struct database *database, const struct load_result *result, load_report *report,
              void *context, struct error *error) {
    int64_t from = result->first_id;
    while (result->inserted) {
        int r = find_pending(database, result, &from, error);
        if (r)
            return r;
        bool go_on = report(from - result->first_id, context);
        if (from > result->last_id || !go_on)
            break;
        load_sleep_ms(LOAD_LOOK_EVERY_MS);
    }
    return 0;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* What the walk over the deliveries gathers. */
struct outcome_walk {
    int64_t *times_ms;
    size_t count;
    int64_t began_at, ended_at;
};

static void outcome_take(struct load_outcome *outcome, struct outcome_walk *walk,
                         sqlite3_stmt *row) {
    const char *status = (const char *)sqlite3_column_text(row, 0);
    int64_t created_at = sqlite3_column_int64(row, 1), finished_at = sqlite3_column_int64(row, 2);
    bool delivered = status && !strcmp(status, "delivered");
    if (!walk->began_at)
        walk->began_at = created_at;
    if (finished_at > walk->ended_at)
        walk->ended_at = finished_at;
    outcome->delivered += delivered;
    outcome->pending += finished_at == 0;
    outcome->failed += !delivered && finished_at;
    if (delivered && walk->count < LOAD_SAMPLES_MAX)
        walk->times_ms[walk->count++] = finished_at - created_at;
}

static void outcome_sum(struct load_outcome *outcome, const struct outcome_walk *walk) {
    outcome->took_ms = walk->ended_at > walk->began_at ? walk->ended_at - walk->began_at : 0;
    if (!walk->count)
        return;
    qsort(walk->times_ms, walk->count, sizeof *walk->times_ms, compare);
    outcome->median_ms = walk->times_ms[walk->count / 2];
    outcome->p99_ms = walk->times_ms[walk->count - 1 - walk->count / 100];
    outcome->longest_ms = walk->times_ms[walk->count - 1];
}

int load_outcome(struct database *database, const struct load_result *result,
                 struct load_outcome *outcome, struct error *error) {
    struct outcome_walk walk = {0};
    sqlite3_stmt *statement;
    *outcome = (struct load_outcome){0};
    int r = database_prepare(database, &statement,
                             "SELECT status, created_at, coalesce(finished_at, 0) FROM deliveries "
                             "WHERE webhook_id BETWEEN ?1 AND ?2 ORDER BY webhook_id",
                             error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, result->first_id);
    sqlite3_bind_int64(statement, 2, result->last_id);
    int64_t most = result->inserted < LOAD_SAMPLES_MAX ? result->inserted : LOAD_SAMPLES_MAX;
    walk.times_ms = memory_new((size_t)most + 1, sizeof *walk.times_ms);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        outcome_take(outcome, &walk, statement);
    if (code != SQLITE_DONE)
        r = database_error(database, code, "read the deliveries", error);
    sqlite3_finalize(statement);
    outcome_sum(outcome, &walk);
    free(walk.times_ms);
    return r;
}
