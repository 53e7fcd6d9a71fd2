#ifndef OUTHOOK_DELIVERY_CONCURRENCY_H
#define OUTHOOK_DELIVERY_CONCURRENCY_H

/*
 * How many calls an endpoint may have under way at once, learned from how it does: additive
 * increase, multiplicative decrease, with slow start (RFC 5681's idea), and how long its calls take
 * (RFC 6298's smoothed time and deviation).
 *
 * The limit grows only while it binds, and is cut at most once for all calls that were under way
 * together: twenty time-outs of one burst are one piece of news.
 */

#include <stdbool.h>
#include <stdint.h>

enum { CONCURRENCY_INITIAL = 4 };

struct concurrency {
    uint32_t limit_q8;                   /* the limit, with 8 binary places */
    uint32_t slow_start;                 /* below this the limit grows by one a success */
    int64_t last_cut_at;                 /* calls sent at or before this mono ms can't cut again */
    bool proven;                         /* answered since it was new, or last silent */
    int64_t smoothed_ms8, deviation_ms8; /* times 8 */
};

/* A new endpoint: one call at a time until it has answered. */
void concurrency_reset(struct concurrency *concurrency);

/* The limit now: 1 until proven, and at most `most`. */
int concurrency_limit(const struct concurrency *concurrency, int most);

/* The endpoint answered a call in `duration_ms`. */
void concurrency_answered(struct concurrency *concurrency, int64_t duration_ms);

/* A call succeeded while `in_flight` were under way (itself included) and `most` are allowed. */
void concurrency_grow(struct concurrency *concurrency, int in_flight, int most);

/* A call sent at `sent_at` went wrong at `now_ms`: the limit shrinks to `percent` of itself. */
void concurrency_cut(struct concurrency *concurrency, int percent, int64_t sent_at, int64_t now_ms);

/* The endpoint fell silent: back to one call at a time until it answers. */
void concurrency_doubt(struct concurrency *concurrency);

/* The age in ms from which on a call is overdue, at least `floor_ms`. */
int64_t concurrency_overdue_ms(const struct concurrency *concurrency, int64_t floor_ms);

/* What a call is expected to take, in ms, at least 1. */
int64_t concurrency_expected_ms(const struct concurrency *concurrency);

#endif
