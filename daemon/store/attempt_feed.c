#include "outhook/store/attempt_feed.h"

#include "outhook/base/buffer.h"
#include "outhook/base/memory.h"
#include "outhook/store/database.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>

enum { FEED_PAGE = 500 };

/* From the attempts on, whose ids grow, whatever the planner may think of the others. */
#define FEED_TABLES                                                                                \
    " FROM attempts AS a CROSS JOIN deliveries AS d ON d.id = a.delivery_id "                      \
    "LEFT JOIN webhooks AS w ON w.id = d.webhook_id "                                              \
    "LEFT JOIN endpoints AS e ON e.id = d.endpoint_id WHERE "

static int feed_prepare(const struct attempt_feed *feed, struct buffer *sql, const char *end,
                        int64_t number, sqlite3_stmt **statement, struct error *error) {
    if (feed->failures_only)
        buffer_print(sql, " AND a.verdict <> 'delivered'");
    selection_append(feed->selection, sql);
    buffer_print(sql, "%s %" PRId64, end, number);
    int r = database_prepare(feed->database, statement, buffer_text(sql), error);
    buffer_free(sql);
    if (!r)
        selection_bind(feed->selection, *statement);
    return r;
}

static int feed_error(const struct attempt_feed *feed, struct error *error) {
    return database_error(feed->database, sqlite3_errcode(feed->database->handle),
                          "read the attempts", error);
}

/* The position before the last `back` of them. */
static int feed_go_back(struct attempt_feed *feed, int64_t back, struct error *error) {
    struct buffer sql = {0};
    sqlite3_stmt *statement;
    buffer_print(&sql, "SELECT a.id" FEED_TABLES "true");
    int r = feed_prepare(feed, &sql, " ORDER BY a.id DESC LIMIT", back, &statement, error);
    if (r)
        return r;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        feed->position = sqlite3_column_int64(statement, 0) - 1;
    if (code != SQLITE_DONE)
        r = feed_error(feed, error);
    sqlite3_finalize(statement);
    return r;
}

int attempt_feed_open(struct attempt_feed *feed, struct database *database,
                      const struct selection *selection, bool failures_only, int64_t back,
                      struct error *error) {
    *feed = (struct attempt_feed){.database = database,
                                  .selection = selection,
                                  .failures_only = failures_only,
                                  .version = -1};
    int r = database_integer(database, "SELECT max(id) FROM attempts", &feed->position, error);
    return r || !back ? r : feed_go_back(feed, back, error);
}

static void page_add(struct attempt_news_page *page, sqlite3_stmt *row) {
    page->rows = memory_resize(page->rows, page->count + 1, sizeof *page->rows);
    page->rows[page->count++] = (struct attempt_news){
        .id = sqlite3_column_int64(row, 0),
        .delivery_id = sqlite3_column_int64(row, 1),
        .webhook_id = sqlite3_column_int64(row, 2),
        .number = sqlite3_column_int64(row, 3),
        .verdict = database_text(row, 4),
        .error = database_text(row, 5),
        .remote_address = database_text(row, 6),
        .started_at = sqlite3_column_int64(row, 7),
        .duration_ms = sqlite3_column_int64(row, 8),
        .status_code = sqlite3_column_int64(row, 9),
        .endpoint = database_text(row, 10),
        .type = database_text(row, 11),
    };
}

static int feed_read_rows(struct attempt_feed *feed, int64_t newest, struct attempt_news_page *page,
                          struct error *error) {
    struct buffer sql = {0};
    sqlite3_stmt *statement;
    buffer_print(&sql,
                 "SELECT a.id, a.delivery_id, d.webhook_id, a.number, a.verdict, a.error, "
                 "a.remote_address, a.started_at, a.duration_ms, a.status_code, "
                 "coalesce(e.name, e.url), w.type" FEED_TABLES "a.id > %" PRId64
                 " AND a.id <= %" PRId64,
                 feed->position, newest);
    int r = feed_prepare(feed, &sql, " ORDER BY a.id LIMIT", FEED_PAGE, &statement, error);
    if (r)
        return r;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        page_add(page, statement);
    if (code != SQLITE_DONE)
        r = feed_error(feed, error);
    sqlite3_finalize(statement);
    return r;
}

int attempt_feed_read(struct attempt_feed *feed, struct attempt_news_page *page, bool *more,
                      struct error *error) {
    int64_t version = feed->version, newest = feed->position;
    *page = (struct attempt_news_page){0};
    *more = false;
    int r = database_integer(feed->database, "PRAGMA data_version", &version, error);
    if (r || version == feed->version)
        return r;
    r = database_integer(feed->database, "SELECT max(id) FROM attempts", &newest, error);
    if (!r && newest < feed->position)
        feed->position = newest; /* the newest were purged, and their ids are used again */
    if (!r && newest > feed->position)
        r = feed_read_rows(feed, newest, page, error);
    if (r) {
        attempt_news_page_free(page);
        return r;
    }
    *more = page->count == FEED_PAGE;
    feed->position = *more ? page->rows[page->count - 1].id : newest;
    if (!*more)
        feed->version = version;
    return 0;
}

void attempt_news_page_free(struct attempt_news_page *page) {
    for (size_t i = 0; i < page->count; i++) {
        free(page->rows[i].verdict);
        free(page->rows[i].error);
        free(page->rows[i].remote_address);
        free(page->rows[i].endpoint);
        free(page->rows[i].type);
    }
    free(page->rows);
    *page = (struct attempt_news_page){0};
}
