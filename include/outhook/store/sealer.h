#ifndef OUTHOOK_STORE_SEALER_H
#define OUTHOOK_STORE_SEALER_H

/*
 * Seals the endpoint secrets that stand in the database as plain text, or under an older key, a few
 * at a time. What was there before is overwritten (secure_delete) and leaves the write-ahead log
 * with the next checkpoint, which is asked for at once. One thread: the store's.
 */

#include "outhook/base/error.h"
#include "outhook/delivery/seal.h"
#include "outhook/store/patience.h"

#include <stdbool.h>
#include <stdint.h>

struct database;
struct sqlite3_stmt;

struct sealer {
    struct database *database;
    struct seal_keys keys;
    struct sqlite3_stmt *plain, *others, *update;
    bool due;              /* there may be plain ones */
    bool all;              /* all are to be looked at: the keys are new */
    int64_t after;         /* the last one that was looked at in this round */
    int64_t not_before_ms; /* mono; after a lock or a full disk */
    int sealed;            /* in this round */
    struct patience patience;
};

/* Prepares the statements. Everything is looked at first. Wipes nothing of `keys`, which it copies.
 */
int sealer_open(struct sealer *sealer, struct database *database, const struct seal_keys *keys,
                struct error *error) must_check;

/* Ends it, keys wiped; harmless when it was never opened. */
void sealer_close(struct sealer *sealer);

/* From now on these keys count. */
void sealer_set_keys(struct sealer *sealer, const struct seal_keys *keys);

/* Secrets may have been inserted. */
void sealer_notice(struct sealer *sealer);

/* Whether sealer_run() has something to do at `now_mono_ms`. */
bool sealer_is_due(const struct sealer *sealer, int64_t now_mono_ms);

/* The mono ms from which on it has, or CLOCK_NEVER. */
int64_t sealer_due_at(const struct sealer *sealer);

/* Seals the next few, in one transaction that is synced; *stale becomes more than 0 when the files
 * may hold what was there before, so that the log has to be emptied. A lock or a full disk is no
 * error: it is tried again a little later, and spoken of when that takes long. */
int sealer_run(struct sealer *sealer, int64_t now_mono_ms, int *stale,
               struct error *error) must_check;

#endif
