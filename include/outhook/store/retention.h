#ifndef OUTHOOK_STORE_RETENTION_H
#define OUTHOOK_STORE_RETENTION_H

/*
 * Keeps the database from growing for ever: what is older than it has to be kept is deleted, and
 * the space given back to the file system.
 *
 * It is done in rounds of small slices, each followed by a rest that is several times as long, so
 * that nobody notices. Most rounds go on where the last one met rows that are too young; now and
 * then a whole one walks over all rows, which finds what ended long after it began, and which
 * endpoints of bare URLs nobody uses any more.
 *
 * Nothing is deleted while another process holds the write lock; and nothing for an hour after the
 * wall clock has leapt ahead, for then it may be wrong. Whoever calls sees to it that nothing more
 * urgent waits, and that the log can be emptied: while somebody reads an old snapshot, it would
 * grow by all that is deleted. One thread: the store's.
 */

#include "outhook/base/clock.h"
#include "outhook/base/error.h"
#include "outhook/store/patience.h"
#include "outhook/store/space.h"
#include "outhook/store/sweep.h"
#include "outhook/store/unused.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

/* For how long what has ended is kept, in ms; 0: for ever. */
struct retention_settings {
    int64_t delivered; /* deliveries that arrived; and webhooks that went nowhere */
    int64_t failed;    /* those that failed, expired or were cancelled */
    int64_t attempts;  /* the record of attempts, where the delivery stays for longer */
};

enum retention_stage {
    RETENTION_DELIVERIES,
    RETENTION_ATTEMPTS,
    RETENTION_WEBHOOKS,
    RETENTION_ENDPOINTS, /* of whole rounds only */
    RETENTION_SPACE,
    RETENTION_RESTING,
};

struct retention {
    struct database *database;
    struct retention_settings settings;
    struct sweep sweep;
    struct unused unused;
    struct space space;

    enum retention_stage stage;
    bool whole;                            /* the round is */
    int64_t front_delivery, front_webhook; /* where the next round that isn't goes on */
    bool front_met;                        /* this round has met rows that are too young */
    struct sweep_walk walk;                /* of the stage */
    struct sweep_marks marks;              /* endpoints that have deliveries; of a whole round */
    struct unused_walk unused_walk;
    int64_t began_wall_ms;                      /* of the round */
    int64_t whole_at_ms;                        /* mono: of the next whole round */
    int64_t due_at_us;                          /* mono: of the next slice */
    int64_t seen_wall_ms, seen_mono_ms;         /* the clocks when last seen, to notice a leap */
    int64_t told_deliveries, endpoints_deleted; /* for the log */
    struct patience patience;
};

/* Prepares the statements. The first round begins at once, and is a whole one. */
int retention_open(struct retention *retention, struct database *database,
                   const struct retention_settings *settings, struct error *error) must_check;

/* Ends it; harmless when it was never opened. */
void retention_close(struct retention *retention);

/* From now on these settings count. */
void retention_set(struct retention *retention, const struct retention_settings *settings);

/* The mono us of the next slice. */
int64_t retention_due_at(const struct retention *retention);

/* Puts the next slice off for a second: something speaks against it. */
void retention_put_off(struct retention *retention, int64_t now_mono_us);

/* Does the next slice. The ids of endpoints that it deleted go into `gone`, how many into *count. A
 * lock or a full disk is no error: it is tried again a little later. */
int retention_run(struct retention *retention, struct now now, int64_t gone[UNUSED_MAX], int *count,
                  struct error *error) must_check;

#endif
