#include "outhook/store/retention.h"

#include "outhook/runtime/log.h"
#include "outhook/store/database.h"

#include <inttypes.h>
#include <stddef.h>

enum {
    REST_FACTOR = 3, /* a rest is so many times as long as the slice before it */
    REST_LEAST_US = 2000,
    RETRY_US = 50000, /* after a lock */
    PUT_OFF_US = 1000000,
    ROUND_LEAST_MS = 1000, /* between rounds: a hundredth of the shortest time that is kept */
    ROUND_MOST_MS = 60000,
    WHOLE_LEAST_MS = 2000, /* between whole rounds: a twentieth of it */
    WHOLE_MOST_MS = 6 * 3600000,
    LEAP_MS = 60000, /* of the wall clock against the other one */
    LEAP_WAIT_MS = 3600000,
};

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t shorter(int64_t a, int64_t b) {
    return a && (a < b || !b) ? a : b;
}

/* A part of the shortest time that something is kept. */
static int64_t retention_part(const struct retention *retention, int64_t part, int64_t least_ms,
                              int64_t most_ms) {
    const struct retention_settings *settings = &retention->settings;
    int64_t shortest = shorter(shorter(settings->delivered, settings->failed), settings->attempts);
    int64_t value = shortest / part;
    if (!shortest || value > most_ms) /* all is kept for ever */
        return most_ms;
    return value < least_ms ? least_ms : value;
}

static struct sweep_horizons retention_horizons(const struct retention *retention) {
    const struct retention_settings *settings = &retention->settings;
    int64_t now = retention->began_wall_ms;
    return (struct sweep_horizons){
        .delivered = settings->delivered ? now - settings->delivered : 0,
        .failed = settings->failed ? now - settings->failed : 0,
        .attempts = settings->attempts ? now - settings->attempts : 0,
    };
}

/* A clock that is set right, or wrong, may make everything look old at once. */
static bool clock_leapt(struct retention *retention, struct now now) {
    int64_t wall_ms = now.wall_ms - retention->seen_wall_ms;
    int64_t mono_ms = now.mono_ms - retention->seen_mono_ms;
    bool leapt = retention->seen_mono_ms && wall_ms - mono_ms > LEAP_MS;
    retention->seen_wall_ms = now.wall_ms;
    retention->seen_mono_ms = now.mono_ms;
    return leapt;
}

int64_t retention_due_at(const struct retention *retention) {
    return retention->due_at_us;
}

void retention_put_off(struct retention *retention, int64_t now_mono_us) {
    retention->due_at_us = now_mono_us + PUT_OFF_US;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void round_begin(struct retention *retention, struct now now) {
    retention->whole = now.mono_ms >= retention->whole_at_ms;
    retention->began_wall_ms = now.wall_ms;
    retention->stage = RETENTION_DELIVERIES;
    retention->front_met = false;
    retention->walk =
        (struct sweep_walk){.after = retention->whole ? 0 : retention->front_delivery};
    sweep_marks_free(&retention->marks);
    if (retention->whole)
        retention->whole_at_ms =
            now.mono_ms + retention_part(retention, 20, WHOLE_LEAST_MS, WHOLE_MOST_MS);
}

static void round_end(struct retention *retention, struct now now) {
    int64_t deleted = retention->sweep.deliveries_deleted - retention->told_deliveries;
    retention->stage = RETENTION_RESTING;
    retention->due_at_us =
        (now.mono_ms + retention_part(retention, 100, ROUND_LEAST_MS, ROUND_MOST_MS)) * 1000;
    sweep_marks_free(&retention->marks);
    if (!retention->whole || !deleted)
        return;
    log_line(LEVEL_INFO,
             "retention: deliveries deleted since the last report: %" PRId64
             "; since the start: %" PRId64 ", attempts %" PRId64 ", webhooks %" PRId64
             ", unused endpoints %" PRId64 ", given back %" PRId64 " MB",
             deleted, retention->sweep.deliveries_deleted, retention->sweep.attempts_deleted,
             retention->sweep.webhooks_deleted, retention->endpoints_deleted,
             retention->space.pages_freed >> 8);
    retention->told_deliveries = retention->sweep.deliveries_deleted;
}

static void stage_next(struct retention *retention, struct now now) {
    retention->stage++;
    retention->front_met = false;
    retention->walk = (struct sweep_walk){0};
    if (retention->stage == RETENTION_WEBHOOKS && !retention->whole)
        retention->walk.after = retention->front_webhook;
    if (retention->stage == RETENTION_ENDPOINTS && !retention->whole)
        retention->stage++;
    if (retention->stage == RETENTION_RESTING)
        round_end(retention, now);
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* The front stops before the first row that is too young. */
static void front_note(struct retention *retention, int64_t *front) {
    if (retention->front_met)
        return;
    *front = retention->walk.old_until;
    retention->front_met = retention->walk.met_young;
}

static int run_deliveries(struct retention *retention, struct now now, struct error *error) {
    const struct sweep_horizons horizons = retention_horizons(retention);
    int r = sweep_deliveries(&retention->sweep, &horizons, &retention->walk,
                             retention->whole ? &retention->marks : NULL, error);
    if (r)
        return r;
    front_note(retention, &retention->front_delivery);
    if (!retention->walk.end && (retention->whole || !retention->walk.young))
        return 0;
    retention->unused_walk = (struct unused_walk){
        .last_delivery = retention->walk.after,
        .created_before =
            horizons.delivered > horizons.failed ? horizons.delivered : horizons.failed,
    };
    stage_next(retention, now);
    return 0;
}

static int run_attempts(struct retention *retention, struct now now, struct error *error) {
    const struct sweep_horizons horizons = retention_horizons(retention);
    int r = sweep_attempts(&retention->sweep, &horizons, &retention->walk, error);
    if (!r && (retention->walk.end || retention->walk.young))
        stage_next(retention, now);
    return r;
}

static int run_webhooks(struct retention *retention, struct now now, struct error *error) {
    const struct sweep_horizons horizons = retention_horizons(retention);
    int r = sweep_webhooks(&retention->sweep, &horizons, &retention->walk, error);
    if (r)
        return r;
    front_note(retention, &retention->front_webhook);
    if (retention->walk.end || retention->walk.young)
        stage_next(retention, now);
    return 0;
}

static int run_endpoints(struct retention *retention, struct now now, int64_t gone[UNUSED_MAX],
                         int *count, struct error *error) {
    int r = unused_run(&retention->unused, &retention->marks, &retention->unused_walk, gone, count,
                       error);
    retention->endpoints_deleted += *count;
    if (!r && retention->unused_walk.end)
        stage_next(retention, now);
    return r;
}

static int run_space(struct retention *retention, struct now now, struct error *error) {
    bool more;
    int r = space_run(&retention->space, &more, error);
    if (!r && !more)
        stage_next(retention, now);
    return r;
}

static int run_stage(struct retention *retention, struct now now, int64_t gone[UNUSED_MAX],
                     int *count, struct error *error) {
    switch (retention->stage) {
    case RETENTION_DELIVERIES:
        return run_deliveries(retention, now, error);
    case RETENTION_ATTEMPTS:
        return run_attempts(retention, now, error);
    case RETENTION_WEBHOOKS:
        return run_webhooks(retention, now, error);
    case RETENTION_ENDPOINTS:
        return run_endpoints(retention, now, gone, count, error);
    case RETENTION_SPACE:
        return run_space(retention, now, error);
    case RETENTION_RESTING:
        break;
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int retention_open(struct retention *retention, struct database *database,
                   const struct retention_settings *settings, struct error *error) {
    *retention =
        (struct retention){.database = database, .settings = *settings, .stage = RETENTION_RESTING};
    int r = sweep_open(&retention->sweep, database, error);
    if (!r)
        r = unused_open(&retention->unused, database, error);
    if (!r)
        r = space_open(&retention->space, database, error);
    return r;
}

void retention_close(struct retention *retention) {
    sweep_close(&retention->sweep);
    unused_close(&retention->unused);
    sweep_marks_free(&retention->marks);
    *retention = (struct retention){0};
}

void retention_set(struct retention *retention, const struct retention_settings *settings) {
    const struct retention_settings *old = &retention->settings;
    if (old->delivered == settings->delivered && old->failed == settings->failed &&
        old->attempts == settings->attempts)
        return;
    retention->settings = *settings;
    retention->stage = RETENTION_RESTING; /* a round begins, over all rows */
    retention->whole_at_ms = retention->due_at_us = 0;
}

int retention_run(struct retention *retention, struct now now, int64_t gone[UNUSED_MAX], int *count,
                  struct error *error) {
    int64_t began_us = clock_mono_us();
    *count = 0;
    if (clock_leapt(retention, now)) {
        log_line(LEVEL_WARNING,
                 "the system's clock has leapt ahead: nothing is deleted for an hour, in case it "
                 "is wrong");
        retention->stage = RETENTION_RESTING;
        retention->due_at_us = began_us + (int64_t)LEAP_WAIT_MS * 1000;
        return 0;
    }
    if (retention->stage == RETENTION_RESTING)
        round_begin(retention, now);
    int r = run_stage(retention, now, gone, count, error);
    patience_note(&retention->patience, r, "what is old is not deleted", error);
    if (r == ERROR_BUSY || r == ERROR_FULL) {
        retention->due_at_us = began_us + (r == ERROR_BUSY ? RETRY_US : PUT_OFF_US);
        return 0;
    }
    if (retention->stage != RETENTION_RESTING) {
        int64_t now_us = clock_mono_us(), rest_us = (now_us - began_us) * REST_FACTOR;
        retention->due_at_us = now_us + (rest_us > REST_LEAST_US ? rest_us : REST_LEAST_US);
    }
    return r;
}
