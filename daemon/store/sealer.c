#include "outhook/store/sealer.h"

#include "outhook/base/clock.h"
#include "outhook/runtime/log.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Once it is said that all are sealed with a new key, the old one may be taken away at once: so a
 * power loss must not bring back what was sealed with that. */
#define SYNCED_AND_OVERWRITTEN "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON"
#define AS_ALWAYS "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF" /* database.c */

enum { SLICE = 100, RETRY_MS = 100, FULL_RETRY_MS = 1000 };

/* A slice in memory: a statement that reads is not held open over writes to the same table. */
struct slice {
    int count;
    struct {
        int64_t id, endpoint_id;
        char *stored;
    } rows[SLICE];
};

/* The term of the first one is that of the index endpoint_secrets_plain. */
static const char sql_plain[] =
    "SELECT id, endpoint_id, secret FROM endpoint_secrets"
    " WHERE secret NOT GLOB 'sealed:*' AND id > ?1 ORDER BY id LIMIT ?2";
static const char sql_others[] =
    "SELECT id, endpoint_id, secret FROM endpoint_secrets WHERE id > ?1"
    " AND substr(secret, 1, length(?3)) <> ?3 ORDER BY id LIMIT ?2";
/* Not one that was replaced since it was read. */
static const char sql_update[] =
    "UPDATE endpoint_secrets SET secret = ?2 WHERE id = ?1 AND secret = ?3";

int sealer_open(struct sealer *sealer, struct database *database, const struct seal_keys *keys,
                struct error *error) {
    *sealer = (struct sealer){.database = database};
    sealer_set_keys(sealer, keys);
    int r = database_prepare(database, &sealer->plain, sql_plain, error);
    if (!r)
        r = database_prepare(database, &sealer->others, sql_others, error);
    if (!r)
        r = database_prepare(database, &sealer->update, sql_update, error);
    return r;
}

void sealer_close(struct sealer *sealer) {
    sqlite3_finalize(sealer->plain);
    sqlite3_finalize(sealer->others);
    sqlite3_finalize(sealer->update);
    seal_keys_wipe(&sealer->keys);
    *sealer = (struct sealer){0};
}

void sealer_set_keys(struct sealer *sealer, const struct seal_keys *keys) {
    sealer->keys = *keys;
    sealer->all = sealer->due = true;
    sealer->after = 0;
}

void sealer_notice(struct sealer *sealer) {
    sealer->due = true;
    if (!sealer->all)
        sealer->after = 0;
}

bool sealer_is_due(const struct sealer *sealer, int64_t now_mono_ms) {
    return sealer_due_at(sealer) <= now_mono_ms;
}

int64_t sealer_due_at(const struct sealer *sealer) {
    return sealer->due && sealer->keys.count ? sealer->not_before_ms : CLOCK_NEVER;
}

/* ---- a slice --------------------------------------------------------------------------------- */

static void secret_free(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void slice_free(struct slice *slice) {
    for (int i = 0; i < slice->count; i++)
        secret_free(slice->rows[i].stored);
    slice->count = 0;
}

static int slice_read(struct sealer *sealer, struct slice *slice, struct error *error) {
    sqlite3_stmt *statement = sealer->all ? sealer->others : sealer->plain;
    char current[sizeof "sealed:v1:" + SEAL_KEY_NAME_BYTES];
    snprintf(current, sizeof current, "sealed:v1:%s", sealer->keys.keys[0].name);
    sqlite3_bind_int64(statement, 1, sealer->after);
    sqlite3_bind_int(statement, 2, SLICE);
    if (sealer->all)
        database_bind_text(statement, 3, current);
    int code, r = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        slice->rows[slice->count].id = sqlite3_column_int64(statement, 0);
        slice->rows[slice->count].endpoint_id = sqlite3_column_int64(statement, 1);
        slice->rows[slice->count++].stored = database_text(statement, 2);
    }
    if (code != SQLITE_DONE)
        r = database_error(sealer->database, code, "read secrets", error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return r;
}

static int update_row(struct sealer *sealer, int64_t id, const char *stored, const char *sealed,
                      int *sealed_count, struct error *error) {
    sqlite3_bind_int64(sealer->update, 1, id);
    database_bind_text(sealer->update, 2, sealed);
    database_bind_text(sealer->update, 3, stored);
    int code = sqlite3_step(sealer->update);
    if (code == SQLITE_DONE)
        *sealed_count += sqlite3_changes(sealer->database->handle);
    sqlite3_reset(sealer->update);
    sqlite3_clear_bindings(sealer->update);
    return code == SQLITE_DONE ? 0 : database_error(sealer->database, code, "seal a secret", error);
}

/* One that does not open stays as it is: whoever reads its endpoint says so. */
static int seal_row(struct sealer *sealer, int64_t id, int64_t endpoint_id, const char *stored,
                    int *sealed_count, struct error *error) {
    char *secret = NULL, *sealed = NULL;
    if (seal_open(&sealer->keys, endpoint_id, stored, &secret, NULL))
        return 0;
    int r = seal_close(&sealer->keys, endpoint_id, secret, &sealed, error);
    if (!r)
        r = update_row(sealer, id, stored, sealed, sealed_count, error);
    secret_free(secret);
    free(sealed);
    return r;
}

static int slice_write(struct sealer *sealer, const struct slice *slice, int *sealed,
                       struct error *error) {
    int r = database_run(sealer->database, SYNCED_AND_OVERWRITTEN "; BEGIN IMMEDIATE", error);
    for (int i = 0; !r && i < slice->count; i++)
        r = seal_row(sealer, slice->rows[i].id, slice->rows[i].endpoint_id, slice->rows[i].stored,
                     sealed, error);
    if (!r)
        r = database_run(sealer->database, "COMMIT", error);
    if (!sqlite3_get_autocommit(sealer->database->handle))
        sqlite3_exec(sealer->database->handle, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_exec(sealer->database->handle, AS_ALWAYS, NULL, NULL, NULL);
    return r;
}

static void round_end(struct sealer *sealer) {
    if (sealer->sealed)
        log_line(LEVEL_INFO, "sealed %d endpoint secrets with the key %s", sealer->sealed,
                 sealer->keys.keys[0].name);
    sealer->due = sealer->all = false;
    sealer->after = 0;
    sealer->sealed = 0;
}

/* What was sealed before, by a daemon that was then killed, may be in the files still. */
int sealer_run(struct sealer *sealer, int64_t now_mono_ms, int *stale, struct error *error) {
    struct slice slice = {0};
    bool first_round = sealer->all;
    int sealed = 0;
    *stale = 0;
    int r = slice_read(sealer, &slice, error);
    if (!r && slice.count)
        r = slice_write(sealer, &slice, &sealed, error);
    patience_note(&sealer->patience, r, "secrets stay in the database as they are", error);
    if (r == ERROR_BUSY || r == ERROR_FULL) {
        sealer->not_before_ms = now_mono_ms + (r == ERROR_BUSY ? RETRY_MS : FULL_RETRY_MS);
        r = 0;
    } else if (!r) {
        sealer->sealed += sealed;
        *stale = sealed + first_round;
        if (slice.count == SLICE)
            sealer->after = slice.rows[SLICE - 1].id;
        else
            round_end(sealer);
    }
    slice_free(&slice);
    return r;
}
