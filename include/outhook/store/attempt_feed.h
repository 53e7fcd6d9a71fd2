#ifndef OUTHOOK_STORE_ATTEMPT_FEED_H
#define OUTHOOK_STORE_ATTEMPT_FEED_H

/*
 * Attempts as they are written, for people who watch. Asking whether there is news costs a few
 * microseconds (PRAGMA data_version), and reading it a walk over the new rows alone. No read
 * transaction stays open in between. One thread.
 */

#include "outhook/base/error.h"
#include "outhook/store/selection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

struct attempt_news {
    int64_t id, delivery_id, webhook_id, number;
    char *verdict, *error, *remote_address;
    int64_t started_at, duration_ms;
    int64_t status_code;   /* 0: no answer */
    char *endpoint, *type; /* NULL: it is gone, or has none */
};

struct attempt_news_page {
    struct attempt_news *rows; /* in the order of writing */
    size_t count;
};

struct attempt_feed {
    struct database *database;
    const struct selection *selection;
    bool failures_only;
    int64_t position; /* the id of the last attempt that was looked at */
    int64_t version;  /* of the database then */
};

/* Begins a feed of the attempts of a selection, which must outlive it, `back` of them before the
 * newest. */
int attempt_feed_open(struct attempt_feed *feed, struct database *database,
                      const struct selection *selection, bool failures_only, int64_t back,
                      struct error *error) must_check;

/* Reads what is new, at most a few hundred at once; *more when there is more. Freed with
 * attempt_news_page_free(). */
int attempt_feed_read(struct attempt_feed *feed, struct attempt_news_page *page, bool *more,
                      struct error *error) must_check;

void attempt_news_page_free(struct attempt_news_page *page);

#endif
