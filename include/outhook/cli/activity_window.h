#ifndef OUTHOOK_CLI_ACTIVITY_WINDOW_H
#define OUTHOOK_CLI_ACTIVITY_WINDOW_H

/*
 * What the last few looks at the database's activity saw, by endpoint: rates that don't jump.
 */

#include "outhook/base/map.h"
#include "outhook/store/activity.h"
#include "outhook/store/overview.h"

enum { ACTIVITY_LOOKS = 10, ACTIVITY_HELD_MAX = 100 };

struct activity_count {
    int64_t delivered, failed, duration_ms, longest_ms;
    int64_t enqueued, ms; /* of the whole only */
};

struct activity_lane {
    int64_t endpoint_id;
    struct activity_count looks[ACTIVITY_LOOKS], last, sum;
    char *error;     /* of the last call that failed in the window */
    int64_t pending; /* when it is held up */
    bool held;
};

struct activity_window {
    struct map lanes; /* struct activity_lane by endpoint */
    struct activity_count looks[ACTIVITY_LOOKS], last, sum;
    size_t next; /* the look that is forgotten next */
    int64_t ms;  /* how long the looks in the window were, together */
};

enum activity_order { ACTIVITY_FAILING, ACTIVITY_RATE, ACTIVITY_SLOW, ACTIVITY_BACKLOG };

/* Adds a look, `ms` after the one before, and forgets the oldest. */
void activity_window_add(struct activity_window *window, const struct activity_page *page,
                         int64_t ms);

/* Looks which endpoints are held up now. */
int activity_window_hold(struct activity_window *window, struct database *database,
                         const struct glance *glance, struct error *error) must_check;

/* The first `limit` endpoints in an order. Returns how many; *lanes is freed with
 * activity_window_free_first(). */
size_t activity_window_first(const struct activity_window *window, enum activity_order order,
                             size_t limit, struct activity_lane ***lanes);

void activity_window_free_first(struct activity_lane **lanes);
void activity_window_free(struct activity_window *window);

#endif
