#include "outhook/store/endpoint_admin.h"

#include "outhook/base/buffer.h"
#include "outhook/delivery/seal.h"
#include "outhook/delivery/signature.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* A secret of the endpoint ?1: the text ?2, or a generated one; none when nothing is signed. 48
 * hex digits are also valid base64. */
static const char sql_insert_secret[] =
    "INSERT INTO endpoint_secrets (endpoint_id, secret) SELECT id, coalesce(?2, "
    "CASE signing WHEN 'standard' THEN 'whsec_' ELSE '' END || lower(hex(randomblob(24)))) "
    "FROM endpoints WHERE id = ?1 AND signing <> 'none' RETURNING secret";

/* ---- statements ------------------------------------------------------------------------------ */

/* A statement with its parameters: ?1, ?2 and ?3. */
struct step {
    const char *sql;
    int64_t id;
    const char *text;
    int64_t number;
};

/* A CHECK's name is a sentence; SQLite puts three words before it. */
static int step_refusal(struct database *database, int code, struct error *error) {
    static const char words[] = "CHECK constraint failed: ";
    const char *text = sqlite3_errmsg(database->handle);
    if (code == SQLITE_CONSTRAINT_CHECK && !strncmp(text, words, sizeof words - 1))
        return error_set(error, ERROR_USAGE, "%s", text + sizeof words - 1);
    return database_error(database, code, "write the endpoint", error);
}

/* Runs a statement to its end; *text (may be NULL) becomes the first column of its first row, when
 * it has one. */
static int step_statement(struct database *database, sqlite3_stmt *statement, char **text,
                          struct error *error) {
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && text)
        *text = database_text(statement, 0);
    while (code == SQLITE_ROW)
        code = sqlite3_step(statement);
    return code == SQLITE_DONE ? 0 : step_refusal(database, code, error);
}

static int step_run(struct database *database, const struct step *step, char **text,
                    struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, step->sql, error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, step->id); /* what isn't in the statement is ignored */
    database_bind_text(statement, 2, step->text);
    sqlite3_bind_int64(statement, 3, step->number);
    r = step_statement(database, statement, text, error);
    sqlite3_finalize(statement);
    return r;
}

static int transaction_end(struct database *database, int r, struct error *error) {
    if (!r)
        r = database_run(database, "COMMIT", error);
    if (r)
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

/* Between the look at the endpoint and now. */
static int refuse_removed(struct error *error) {
    return error_set(error, ERROR_FAILED, "the endpoint has just been removed");
}

void endpoint_secret_free(char *secret) {
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* ---- settings and subscriptions -------------------------------------------------------------- */

/* The parameters of settings begin at ?2. */
static void edit_bind(sqlite3_stmt *statement, const struct endpoint_edit *edit) {
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        if (edit->settings[i].given)
            database_bind_text(statement, 2 + i, edit->settings[i].text);
}

/* Which part of a statement. */
enum edit_part { EDIT_COLUMNS, EDIT_VALUES, EDIT_ASSIGNMENTS };

static void edit_append(const struct endpoint_edit *edit, struct buffer *sql, enum edit_part part) {
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++) {
        if (!edit->settings[i].given)
            continue;
        if (part != EDIT_VALUES)
            buffer_print(sql, ", %s", endpoint_setting_column(i));
        if (part != EDIT_COLUMNS)
            buffer_print(sql, part == EDIT_VALUES ? ", ?%d" : " = ?%d", 2 + i);
    }
}

static int edit_insert(struct database *database, const char *name,
                       const struct endpoint_edit *edit, struct error *error) {
    struct buffer sql = {0};
    buffer_print(&sql, "INSERT INTO endpoints (name");
    edit_append(edit, &sql, EDIT_COLUMNS);
    buffer_print(&sql, ") VALUES (?1");
    edit_append(edit, &sql, EDIT_VALUES);
    buffer_print(&sql, ")");

    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (r)
        return r;
    database_bind_text(statement, 1, name);
    edit_bind(statement, edit);
    r = step_statement(database, statement, NULL, error);
    if (r && sqlite3_extended_errcode(database->handle) == SQLITE_CONSTRAINT_UNIQUE)
        r = error_set(error, ERROR_FAILED,
                      "there is an endpoint %.200s already: outhook endpoint set changes it", name);
    sqlite3_finalize(statement);
    return r;
}

static int edit_update(struct database *database, int64_t id, const struct endpoint_edit *edit,
                       struct error *error) {
    struct buffer sql = {0};
    buffer_print(&sql, "UPDATE endpoints SET id = id");
    edit_append(edit, &sql, EDIT_ASSIGNMENTS);
    buffer_print(&sql, " WHERE id = ?1");

    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement, buffer_text(&sql), error);
    buffer_free(&sql);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, id);
    edit_bind(statement, edit);
    r = step_statement(database, statement, NULL, error);
    if (!r && !sqlite3_changes(database->handle))
        r = refuse_removed(error);
    sqlite3_finalize(statement);
    return r;
}

static int edit_subscribe(struct database *database, int64_t id, const struct endpoint_edit *edit,
                          struct error *error) {
    int r = 0;
    for (size_t i = 0; !r && i < edit->subscribe_count; i++) {
        /* Not OR IGNORE, which would skip what a CHECK refuses. */
        const struct step insert = {
            .sql = "INSERT INTO subscriptions (endpoint_id, type_pattern) VALUES (?1, ?2) "
                   "ON CONFLICT DO NOTHING",
            .id = id,
            .text = edit->subscribe[i],
        };
        r = step_run(database, &insert, NULL, error);
    }
    return r;
}

static int edit_unsubscribe(struct database *database, int64_t id, const struct endpoint_edit *edit,
                            struct error *error) {
    for (size_t i = 0; i < edit->unsubscribe_count; i++) {
        const struct step delete = {
            .sql = "DELETE FROM subscriptions WHERE endpoint_id = ?1 AND type_pattern = ?2",
            .id = id,
            .text = edit->unsubscribe[i],
        };
        int r = step_run(database, &delete, NULL, error);
        if (r)
            return r;
        if (!sqlite3_changes(database->handle))
            return error_set(error, ERROR_FAILED, "it is not subscribed to %.200s",
                             edit->unsubscribe[i]);
    }
    return 0;
}

/* ---- secrets --------------------------------------------------------------------------------- */

/* The trigger that generates one for signing = standard doesn't know that there is another. */
static int secret_insert_first(struct database *database, int64_t id, const char *secret,
                               char **made, struct error *error) {
    const struct step delete = {
        .sql = "DELETE FROM endpoint_secrets WHERE endpoint_id = ?1",
        .id = id,
    };
    const struct step insert = {.sql = sql_insert_secret, .id = id, .text = secret};
    int r = step_run(database, &delete, NULL, error);
    return r ? r : step_run(database, &insert, made, error);
}

static int secret_expire(struct database *database, int64_t secret_id, struct error *error) {
    const struct step expire = {
        .sql = "UPDATE endpoint_secrets SET expires_at = (SELECT ms FROM _now) WHERE id = ?1",
        .id = secret_id,
    };
    return step_run(database, &expire, NULL, error);
}

/* Whether a stored secret can sign in a format. For all but the standard one any text will do. */
static int secret_fits(const struct seal_keys *keys, int64_t endpoint_id, const char *stored,
                       enum signing signing, bool *fits, struct error *error) {
    static const struct seal_keys none;
    struct error why = {0};
    char *secret = NULL;
    *fits = signing != SIGNING_STANDARD;
    if (*fits)
        return 0;
    if (seal_open(keys ? keys : &none, endpoint_id, stored, &secret, &why))
        return error_set(error, ERROR_FAILED,
                         "can't see whether its secret fits that signing: %.300s", why.text);
    *fits = !signature_secret_check(signing, secret, NULL);
    endpoint_secret_free(secret);
    return 0;
}

/* One unexpired secret (id, secret, signing and id of its endpoint): expires it unless it fits. */
static int secret_judge(struct database *database, sqlite3_stmt *row, const struct seal_keys *keys,
                        bool *any_fits, struct error *error) {
    enum signing signing = SIGNING_NONE;
    bool fits = false;
    if (!signing_parse((const char *)sqlite3_column_text(row, 2), &signing))
        return 0;
    int r = secret_fits(keys, sqlite3_column_int64(row, 3),
                        (const char *)sqlite3_column_text(row, 1), signing, &fits, error);
    *any_fits = *any_fits || fits;
    return r || fits ? r : secret_expire(database, sqlite3_column_int64(row, 0), error);
}

/* Expires the secrets that the endpoint's signing can't use; *fits becomes whether one is left. */
static int secret_judge_all(struct database *database, int64_t id, const struct seal_keys *keys,
                            bool *fits, struct error *error) {
    sqlite3_stmt *statement;
    int r = database_prepare(database, &statement,
                             "SELECT s.id, s.secret, e.signing, e.id FROM endpoint_secrets AS s "
                             "JOIN endpoints AS e ON e.id = s.endpoint_id WHERE e.id = ?1 "
                             "AND (s.expires_at IS NULL OR s.expires_at > (SELECT ms FROM _now)) "
                             "ORDER BY s.created_at DESC",
                             error);
    if (r)
        return r;
    sqlite3_bind_int64(statement, 1, id);
    int code;
    while (!r && (code = sqlite3_step(statement)) == SQLITE_ROW)
        r = secret_judge(database, statement, keys, fits, error);
    if (!r && code != SQLITE_DONE)
        r = database_error(database, code, "read the endpoint's secrets", error);
    sqlite3_finalize(statement);
    return r;
}

/* A bare URL's endpoint is signed by default_secret, and has none of its own. */
static int secret_refit(struct database *database, int64_t id, const struct seal_keys *keys,
                        char **made, struct error *error) {
    static const char sql_named[] = "SELECT name FROM endpoints WHERE id = ?1";
    bool fits = false;
    char *name = NULL;
    const struct step look = {.sql = sql_named, .id = id};
    const struct step insert = {.sql = sql_insert_secret, .id = id};
    int r = step_run(database, &look, &name, error);
    if (!r)
        r = secret_judge_all(database, id, keys, &fits, error);
    if (!r && !fits && name)
        r = step_run(database, &insert, made, error);
    free(name);
    return r;
}

/* ---- what operators do ----------------------------------------------------------------------- */

int endpoint_add(struct database *database, const char *name, const struct endpoint_edit *edit,
                 const char *secret, int64_t *id, char **made, struct error *error) {
    *made = NULL;
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    r = edit_insert(database, name, edit, error);
    if (!r)
        r = database_integer(database, "SELECT max(id) FROM endpoints", id, error);
    if (!r)
        r = secret_insert_first(database, *id, secret, made, error);
    if (!r)
        r = edit_subscribe(database, *id, edit, error);
    r = transaction_end(database, r, error);
    if (r) {
        endpoint_secret_free(*made);
        *made = NULL;
    }
    return r;
}

int endpoint_change(struct database *database, int64_t id, const struct endpoint_edit *edit,
                    char **made, struct error *error) {
    *made = NULL;
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    r = edit_update(database, id, edit, error);
    if (!r && edit->settings[ENDPOINT_SIGNING].given)
        r = secret_refit(database, id, edit->keys, made, error);
    if (!r)
        r = edit_unsubscribe(database, id, edit, error);
    if (!r)
        r = edit_subscribe(database, id, edit, error);
    r = transaction_end(database, r, error);
    if (r) {
        endpoint_secret_free(*made);
        *made = NULL;
    }
    return r;
}

int endpoint_enable(struct database *database, int64_t id, bool enabled, const char *reason,
                    struct error *error) {
    const struct step update = {
        .sql = "UPDATE endpoints SET enabled = ?3, disabled_reason = coalesce(?2, disabled_reason) "
               "WHERE id = ?1",
        .id = id,
        .text = reason,
        .number = enabled,
    };
    int r = step_run(database, &update, NULL, error);
    return r || sqlite3_changes(database->handle) ? r : refuse_removed(error);
}

int endpoint_rotate(struct database *database, int64_t id, const char *secret, int64_t grace_ms,
                    char **made, struct error *error) {
    const struct step expire = {
        .sql = "UPDATE endpoint_secrets SET expires_at = (SELECT ms FROM _now) + ?3 "
               "WHERE endpoint_id = ?1 "
               "AND (expires_at IS NULL OR expires_at > (SELECT ms FROM _now) + ?3)",
        .id = id,
        .number = grace_ms,
    };
    const struct step insert = {.sql = sql_insert_secret, .id = id, .text = secret};
    *made = NULL;
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    r = step_run(database, &expire, NULL, error);
    if (!r)
        r = step_run(database, &insert, made, error);
    if (!r && !*made)
        r = error_set(error, ERROR_FAILED, "the endpoint is not signed, or has just been removed");
    r = transaction_end(database, r, error);
    if (r) {
        endpoint_secret_free(*made);
        *made = NULL;
    }
    return r;
}

/* ---- removing -------------------------------------------------------------------------------- */

static int remove_count(struct database *database, int64_t id, int64_t *pending,
                        struct error *error) {
    const struct step count = {
        .sql = "SELECT count(*) FROM deliveries WHERE endpoint_id = ?1 AND status = 'pending'",
        .id = id,
    };
    char *text = NULL;
    int r = step_run(database, &count, &text, error);
    *pending = text ? strtoll(text, NULL, 10) : 0;
    free(text);
    return r;
}

static int remove_now(struct database *database, int64_t id, struct error *error) {
    const struct step cancel = {
        .sql = "UPDATE deliveries SET status = 'cancelled' WHERE id IN "
               "(SELECT id FROM deliveries WHERE endpoint_id = ?1 AND status = 'pending')",
        .id = id,
    };
    const struct step delete = {.sql = "DELETE FROM endpoints WHERE id = ?1", .id = id};
    int r = step_run(database, &cancel, NULL, error);
    return r ? r : step_run(database, &delete, NULL, error);
}

int endpoint_remove(struct database *database, int64_t id, int64_t cancel_most, int64_t *pending,
                    struct error *error) {
    *pending = 0;
    int r = database_run(database, "BEGIN IMMEDIATE", error);
    if (r)
        return r;
    r = remove_count(database, id, pending, error);
    if (!r && *pending <= cancel_most)
        r = remove_now(database, id, error);
    return transaction_end(database, r, error);
}
