#include "outhook/cli/activity_window.h"

#include "outhook/base/memory.h"

#include <stdlib.h>
#include <string.h>

static struct activity_lane *window_lane(struct activity_window *window, int64_t endpoint_id) {
    struct activity_lane *lane = map_get(&window->lanes, endpoint_id);
    if (!lane) {
        lane = new (struct activity_lane);
        lane->endpoint_id = endpoint_id;
        map_put(&window->lanes, endpoint_id, lane);
    }
    return lane;
}

static void lane_free(struct activity_lane *lane) {
    free(lane->error);
    free(lane);
}

static struct activity_count count_sum(const struct activity_count *looks) {
    struct activity_count sum = {0};
    for (size_t i = 0; i < ACTIVITY_LOOKS; i++) {
        sum.delivered += looks[i].delivered;
        sum.failed += looks[i].failed;
        sum.duration_ms += looks[i].duration_ms;
        sum.longest_ms =
            sum.longest_ms > looks[i].longest_ms ? sum.longest_ms : looks[i].longest_ms;
        sum.enqueued += looks[i].enqueued;
        sum.ms += looks[i].ms;
    }
    return sum;
}

static void lane_take(struct activity_lane *lane, const struct activity_row *row) {
    lane->last = (struct activity_count){.delivered = row->delivered,
                                         .failed = row->failed,
                                         .duration_ms = row->duration_ms,
                                         .longest_ms = row->longest_ms};
    if (!row->error)
        return;
    free(lane->error);
    lane->error = memory_copy_string(row->error);
}

/* Each lane's sum over the window, now that its last look is complete. A lane that hasn't been
 * called in all of the window, and isn't held up, is forgotten. */
static void window_sum(struct activity_window *window) {
    struct map kept = {0};
    struct activity_lane *lane;
    for (size_t cursor = 0; (lane = map_next(&window->lanes, &cursor));) {
        lane->looks[window->next] = lane->last;
        lane->sum = count_sum(lane->looks);
        if (lane->sum.delivered || lane->sum.failed || lane->held)
            map_put(&kept, lane->endpoint_id, lane);
        else
            lane_free(lane);
    }
    map_free(&window->lanes);
    window->lanes = kept;
}

/* Of a look that left attempts out the rates are right when it counts as the shorter one that it
 * was.
 */
static void count_shorten(struct activity_count *look, int64_t left_out) {
    int64_t seen = look->delivered + look->failed;
    double part = (double)seen / (double)(seen + left_out);
    look->enqueued = (int64_t)((double)look->enqueued * part);
    look->ms = (int64_t)((double)look->ms * part);
}

void activity_window_add(struct activity_window *window, const struct activity_page *page,
                         int64_t ms) {
    struct activity_lane *lane;
    for (size_t cursor = 0; (lane = map_next(&window->lanes, &cursor));)
        lane->last = (struct activity_count){0};
    window->last = (struct activity_count){.enqueued = page->enqueued, .ms = ms};
    for (size_t i = 0; i < page->count; i++) {
        lane_take(window_lane(window, page->rows[i].endpoint_id), &page->rows[i]);
        window->last.delivered += page->rows[i].delivered;
        window->last.failed += page->rows[i].failed;
    }
    if (page->left_out)
        count_shorten(&window->last, page->left_out);
    window_sum(window);
    window->looks[window->next] = window->last;
    window->sum = count_sum(window->looks);
    window->ms = window->sum.ms;
    window->next = (window->next + 1) % ACTIVITY_LOOKS;
}

int activity_window_hold(struct activity_window *window, struct database *database,
                         const struct glance *glance, struct error *error) {
    struct backlog_held_list held;
    struct activity_lane *lane;
    int r = backlog_held_read(database, glance->daemon_runs, ACTIVITY_HELD_MAX, &held, error);
    if (r)
        return r;
    for (size_t cursor = 0; (lane = map_next(&window->lanes, &cursor));)
        lane->held = false;
    for (size_t i = 0; i < held.count; i++) {
        lane = window_lane(window, held.rows[i].endpoint_id);
        lane->held = true;
        lane->pending = held.rows[i].pending;
    }
    backlog_held_free(&held);
    return 0;
}

/* ---- which come first ------------------------------------------------------------------------ */

static int64_t lane_mean_ms(const struct activity_lane *lane) {
    int64_t calls = lane->sum.delivered + lane->sum.failed;
    return calls ? lane->sum.duration_ms / calls : 0;
}

static int64_t lane_weight(const struct activity_lane *lane, enum activity_order order) {
    switch (order) {
    case ACTIVITY_FAILING:
        return lane->sum.failed;
    case ACTIVITY_RATE:
        return lane->sum.delivered + lane->sum.failed;
    case ACTIVITY_SLOW:
        return lane_mean_ms(lane);
    case ACTIVITY_BACKLOG:
        break;
    }
    return lane->held ? lane->pending : 0;
}

static int compare(const void *a, const void *b, void *context) {
    const struct activity_lane *x = *(struct activity_lane *const *)a;
    const struct activity_lane *y = *(struct activity_lane *const *)b;
    enum activity_order order = *(const enum activity_order *)context;
    int64_t of_x = lane_weight(x, order), of_y = lane_weight(y, order);
    if (of_x != of_y)
        return of_x < of_y ? 1 : -1;
    if (x->held != y->held)
        return x->held ? -1 : 1;
    return (x->endpoint_id > y->endpoint_id) - (x->endpoint_id < y->endpoint_id);
}

size_t activity_window_first(const struct activity_window *window, enum activity_order order,
                             size_t limit, struct activity_lane ***lanes) {
    struct activity_lane *lane;
    size_t count = 0;
    *lanes = memory_new(window->lanes.count + 1, sizeof **lanes);
    for (size_t cursor = 0; (lane = map_next(&window->lanes, &cursor));)
        (*lanes)[count++] = lane;
    qsort_r(*lanes, count, sizeof **lanes, compare, &order);
    return count < limit ? count : limit;
}

void activity_window_free_first(struct activity_lane **lanes) {
    free(lanes);
}

void activity_window_free(struct activity_window *window) {
    struct activity_lane *lane;
    for (size_t cursor = 0; (lane = map_next(&window->lanes, &cursor));)
        lane_free(lane);
    map_free(&window->lanes);
}
