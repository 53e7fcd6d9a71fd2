#ifndef OUTHOOK_STORE_NEWS_H
#define OUTHOOK_STORE_NEWS_H

/*
 * What the store tells its owner without being asked: which endpoints there are, what people have
 * edited, and which rows are new, some of which are loaded already. One thread: the store's.
 */

#include "outhook/base/error.h"
#include "outhook/base/map.h"
#include "outhook/store/locked.h"
#include "outhook/store/patience.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct queue;

struct news {
    struct queue *queue;
    struct exchange *exchange;
    bool offers; /* a few new rows are loaded at once */
    /* After a failure that may pass: waits a little. False when it won't, or may not be waited for.
     */
    bool (*may_retry)(void *context, struct patience *patience, int r, const struct error *error);
    void *context;

    struct map told; /* endpoint ids that the owner knows */
    struct locked locked;
    int64_t version;    /* of the database, when last asked */
    bool booted;        /* all endpoints that were there at the start have been told of */
    int64_t boot_after; /* or those up to this id */
    int64_t offer_at;   /* mono ms: new rows are not loaded unasked before */
    bool more_fresh;    /* a page of new rows was full: there are more */
};

/* The first five members are set. What is in the database now is no news but for the endpoints. */
int news_open(struct news *news, struct error *error) must_check;

void news_free(struct news *news);

/* Reads an endpoint and tells of it, or that it is gone. */
int news_endpoint(struct news *news, int64_t id, struct error *error) must_check;

/* Tells of a page of the endpoints there are; `booted` when that was the last one. Work on the
 * first ones begins while others are read. */
int news_boot(struct news *news, struct error *error) must_check;

/* Looks whether another process has committed, and tells what that brought; *changed: it has. */
int news_look(struct news *news, bool *changed, struct error *error) must_check;

/* Tells again of endpoints whose secrets did not open and may now: by new keys (CLOCK_NEVER), or as
 * what did not has expired at `now_wall_ms`. */
int news_locked(struct news *news, int64_t now_wall_ms, struct error *error) must_check;

/* The owner has refused rows that were loaded unasked, in vain: this is left for a while. */
void news_refused(struct news *news, int64_t now_mono_ms);

/* The owner knows an endpoint no longer: it is told of when there are new rows for it. */
void news_forget(struct news *news, int64_t endpoint_id);

#endif
