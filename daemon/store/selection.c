#include "outhook/store/selection.h"

#include "outhook/store/database.h"
#include "outhook/store/endpoint_names.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#define SELECTION_ENDPOINT                                                                         \
    "SELECT id FROM endpoints WHERE name = :endpoint "                                             \
    "UNION ALL SELECT id FROM endpoints WHERE url = :endpoint AND name IS NULL"
#define SELECTION_WEBHOOK                                                                          \
    "SELECT id FROM webhooks WHERE uid = :webhook "                                                \
    "UNION ALL SELECT id FROM webhooks WHERE id = CAST(:webhook AS INTEGER) "                      \
    "AND :webhook NOT GLOB '*[^0-9]*'"

static const char *const status_words[] = {
#define SELECTION_WORD(name, word) word,
    SELECTION_STATUSES(SELECTION_WORD)
#undef SELECTION_WORD
};

unsigned selection_status(const char *word, size_t length) {
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++)
        if (strlen(status_words[i]) == length && !memcmp(status_words[i], word, length))
            return 1U << i;
    return 0;
}

const char *selection_status_word(int number) {
    return status_words[number];
}

/* ---- the SQL --------------------------------------------------------------------------------- */

static void append_statuses(unsigned statuses, struct buffer *sql) {
    const char *comma = "";
    buffer_print(sql, " AND d.status IN (");
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++)
        if (statuses & 1U << i) {
            buffer_print(sql, "%s'%s'", comma, status_words[i]);
            comma = ", ";
        }
    buffer_print(sql, ")");
}

static void append_ids(const struct selection *selection, struct buffer *sql) {
    const char * or = "";
    buffer_print(sql, " AND (");
    if (selection->ids) {
        buffer_print(sql, "d.id IN (SELECT value FROM json_each(:ids))");
        or = " OR ";
    }
    for (size_t i = 0; i < selection->range_count; i++, or = " OR ")
        buffer_print(sql, "%sd.id BETWEEN %" PRId64 " AND %" PRId64, or, selection->ranges[i].first,
                     selection->ranges[i].last);
    buffer_print(sql, ")");
}

enum error_kind_wanted { ERROR_TEXT_PART, ERROR_TEXT_GLOB, ERROR_CODE, ERROR_CODE_CLASS };

static enum error_kind_wanted error_wanted(const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 3 && !text[3])
        return ERROR_CODE;
    if (digits == 1 && (!strcmp(text + 1, "xx") || !strcmp(text + 1, "XX")))
        return ERROR_CODE_CLASS;
    return text[strcspn(text, "*?[")] ? ERROR_TEXT_GLOB : ERROR_TEXT_PART;
}

static void append_error(const char *text, struct buffer *sql) {
    switch (error_wanted(text)) {
    case ERROR_CODE:
        buffer_print(sql, " AND d.last_status_code = CAST(:error AS INTEGER)");
        return;
    case ERROR_CODE_CLASS:
        buffer_print(sql, " AND d.last_status_code / 100 = CAST(substr(:error, 1, 1) AS INTEGER)");
        return;
    case ERROR_TEXT_GLOB:
        buffer_print(sql, " AND lower(d.last_error) GLOB lower(:error)");
        return;
    case ERROR_TEXT_PART:
        buffer_print(sql, " AND instr(lower(d.last_error), lower(:error))");
        return;
    }
}

/* A replay may have failed after an earlier run had arrived: the record of attempts tells. */
#define SELECTION_MISSING                                                                          \
    "d.status <> 'delivered' AND NOT EXISTS (SELECT 1 FROM deliveries AS o "                       \
    "WHERE o.webhook_id = d.webhook_id AND o.endpoint_id = d.endpoint_id "                         \
    "AND (o.status = 'delivered' OR EXISTS (SELECT 1 FROM attempts AS a "                          \
    "WHERE a.delivery_id = o.id AND a.verdict = 'delivered')))"

static void append_rest(const struct selection *selection, struct buffer *sql) {
    if (selection->error)
        append_error(selection->error, sql);
    if (selection->held != SELECTION_HELD_OR_NOT)
        buffer_print(sql, " AND d.held = %d", selection->held == SELECTION_HELD);
    if (selection->missing)
        buffer_print(sql, " AND " SELECTION_MISSING);
}

void selection_append(const struct selection *selection, struct buffer *sql) {
    if (selection->ids || selection->range_count)
        append_ids(selection, sql);
    if (selection->statuses)
        append_statuses(selection->statuses, sql);
    if (selection->endpoint_id)
        buffer_print(sql, " AND d.endpoint_id = %" PRId64, selection->endpoint_id);
    if (selection->endpoint)
        buffer_print(sql, " AND d.endpoint_id IN (" SELECTION_ENDPOINT ")");
    if (selection->webhook)
        buffer_print(sql, " AND d.webhook_id IN (" SELECTION_WEBHOOK ")");
    if (selection->type)
        buffer_print(sql, " AND (SELECT type FROM webhooks WHERE id = d.webhook_id) GLOB :type");
    if (selection->since_at)
        buffer_print(sql, " AND d.created_at >= %" PRId64, selection->since_at);
    if (selection->until_at)
        buffer_print(sql, " AND d.created_at < %" PRId64, selection->until_at);
    append_rest(selection, sql);
}

void selection_bind(const struct selection *selection, sqlite3_stmt *statement) {
    const struct {
        const char *name, *text;
    } open[] = {
        {":endpoint", selection->endpoint}, {":webhook", selection->webhook},
        {":type", selection->type},         {":ids", selection->ids},
        {":error", selection->error},
    };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        int parameter = sqlite3_bind_parameter_index(statement, open[i].name);
        if (parameter)
            database_bind_text(statement, parameter, open[i].text);
    }
}

/* ---- what has to be there -------------------------------------------------------------------- */

static int selection_exists(struct database *database, const char *sql, const char *text,
                            bool *exists, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, sql, error);
    if (r)
        return r;
    database_bind_text(statement, 1, text);
    int code = sqlite3_step(statement);
    *exists = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        r = database_error(database, code, "look it up", error);
    sqlite3_finalize(statement);
    return r;
}

int selection_check(struct database *database, const struct selection *selection,
                    struct error *error) {
    bool exists = true;
    if (selection->endpoint) {
        int r = selection_exists(database, SELECTION_ENDPOINT, selection->endpoint, &exists, error);
        if (r || !exists)
            return r ? r : endpoint_name_refuse(database, selection->endpoint, error);
    }
    if (selection->webhook) {
        int r = selection_exists(database, SELECTION_WEBHOOK, selection->webhook, &exists, error);
        if (r || !exists)
            return r ? r
                     : error_set(error, ERROR_FAILED,
                                 "there is no webhook %.200s: give its id or its uid",
                                 selection->webhook);
    }
    return 0;
}
