#ifndef OUTHOOK_STORE_ENDPOINT_ADMIN_H
#define OUTHOOK_STORE_ENDPOINT_ADMIN_H

/*
 * What an operator does to endpoints: the same rows that a person may write in SQL, judged by the
 * same triggers, which also tell a running daemon. Each function is one transaction. `database` is
 * open as DATABASE_PERSON.
 *
 * A refusal by the schema is an ERROR_USAGE with the schema's own sentence; an id that isn't there
 * (any more) is an ERROR_FAILED. No error ever shows a secret. A secret that is handed out is wiped
 * and freed with endpoint_secret_free().
 */

#include "outhook/base/error.h"
#include "outhook/store/endpoint_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;
struct seal_keys;

/* What to write. */
struct endpoint_edit {
    struct endpoint_edit_value {
        bool given;
        const char *text; /* of the column; NULL: the configured default */
    } settings[ENDPOINT_SETTING_COUNT];
    const char **subscribe, **unsubscribe; /* GLOB patterns */
    size_t subscribe_count, unsubscribe_count;
    const struct seal_keys *keys; /* that open its secrets, to judge whether they fit; NULL: none */
};

/* Inserts an endpoint, with its secret: `secret`, or for NULL a generated one, or none when its
 * signing is none. *id and *made (the secret that it has now, or NULL) are the caller's. */
int endpoint_add(struct database *database, const char *name, const struct endpoint_edit *edit,
                 const char *secret, int64_t *id, char **made, struct error *error) must_check;

/* Changes the settings and subscriptions that are given. After a change of signing, secrets that
 * the new format can't sign with expire at once, and when none is left, one is generated and handed
 * out in *made; else that becomes NULL. Fails when that takes a sealed secret to be opened that does
 * not open. */
int endpoint_change(struct database *database, int64_t id, const struct endpoint_edit *edit,
                    char **made, struct error *error) must_check;

/* Enables an endpoint, or disables it with a reason; NULL leaves that as it is. */
int endpoint_enable(struct database *database, int64_t id, bool enabled, const char *reason,
                    struct error *error) must_check;

/* Inserts a new secret (NULL: a generated one), handed out in *made. The unexpired ones before it
 * go on to sign for `grace_ms`, or as long as they were to when that is shorter. */
int endpoint_rotate(struct database *database, int64_t id, const char *secret, int64_t grace_ms,
                    char **made, struct error *error) must_check;

/* Deletes an endpoint, and cancels up to `cancel_most` pending deliveries of it first. When there
 * are more, it changes nothing. *pending becomes how many there were. */
int endpoint_remove(struct database *database, int64_t id, int64_t cancel_most, int64_t *pending,
                    struct error *error) must_check;

/* Wipes and frees; NULL is fine. */
void endpoint_secret_free(char *secret);

#endif
