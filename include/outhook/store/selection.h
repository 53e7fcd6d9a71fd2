#ifndef OUTHOOK_STORE_SELECTION_H
#define OUTHOOK_STORE_SELECTION_H

/*
 * Which deliveries: what `outhook list`, `replay`, `cancel`, `hold`, `release` and `purge` act on.
 * Every condition that is given must hold; one that isn't holds always.
 */

#include "outhook/base/buffer.h"
#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;
struct sqlite3_stmt;

/* X(NAME, word in deliveries.status) */
#define SELECTION_STATUSES(X)                                                                      \
    X(PENDING, "pending")                                                                          \
    X(DELIVERED, "delivered")                                                                      \
    X(FAILED, "failed")                                                                            \
    X(EXPIRED, "expired")                                                                          \
    X(CANCELLED, "cancelled")

enum selection_status_number {
#define SELECTION_NUMBER(name, word) SELECTION_NUMBER_##name,
    SELECTION_STATUSES(SELECTION_NUMBER)
#undef SELECTION_NUMBER
        SELECTION_STATUS_COUNT
};

/* A set of statuses: bits. */
enum selection_status {
#define SELECTION_BIT(name, word) SELECTION_##name = 1 << SELECTION_NUMBER_##name,
    SELECTION_STATUSES(SELECTION_BIT)
#undef SELECTION_BIT
        SELECTION_FINISHED = ((1 << SELECTION_STATUS_COUNT) - 1) & ~SELECTION_PENDING,
};

/* Ids from the first to the last one, both included. */
struct selection_range {
    int64_t first, last;
};

enum { SELECTION_RANGES_MAX = 100 };

enum selection_held { SELECTION_HELD_OR_NOT, SELECTION_HELD, SELECTION_NOT_HELD };

struct selection {
    const char *ids; /* deliveries, as a JSON array of any length; NULL, and no ranges: any */
    const struct selection_range *ranges; /* or these; at most SELECTION_RANGES_MAX */
    size_t range_count;
    unsigned statuses;    /* any of these; 0: any at all */
    int64_t endpoint_id;  /* 0: any */
    const char *endpoint; /* a name, or the URL of an endpoint that was made by a webhook */
    const char *type;     /* a GLOB pattern, as in subscriptions */
    const char *webhook;  /* an id or a uid */
    int64_t since_at;     /* created at or after, ms since 1970; 0: ever */
    int64_t until_at;     /* created before; 0: ever */
    /* How the last attempt ended: a status code (503), a class of them (5xx), a GLOB pattern that
     * the error's text matches as a whole, or a part of it, in any case of ASCII letters. */
    const char *error;
    bool missing; /* no attempt to bring the same webhook to the same endpoint has succeeded */
    enum selection_held held;
    int64_t limit; /* for operator_change_all(): at most so many, oldest first; 0: all */
};

/* The bit of a status word, or 0. */
unsigned selection_status(const char *word, size_t length);

/* The word of a number below SELECTION_STATUS_COUNT. */
const char *selection_status_word(int number);

/* Refuses an endpoint or a webhook that isn't there, which is a slip of the pen and not an empty
 * selection. */
int selection_check(struct database *database, const struct selection *selection,
                    struct error *error) must_check;

/* ---- for the modules of the store ----- */

/* Appends " AND …" for each condition, on the deliveries `d`. */
void selection_append(const struct selection *selection, struct buffer *sql);

/* Binds what selection_append() left open. The selection must outlive the statement's run. */
void selection_bind(const struct selection *selection, struct sqlite3_stmt *statement);

#endif
