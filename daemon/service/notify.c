#include "outhook/service/notify.h"

#include "outhook/base/duration.h"
#include "outhook/service/dispatcher.h"
#include "outhook/store/setback.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

enum {
    PATIENCE_US = 30000000,
    US_PER_MS = 1000,
    /* Of a watchdog's period, so that a thread that is held up for most of it, by a slow disk, say,
     * does not cost the service its life. */
    PINGS_PER_PERIOD = 4,
};

/* To the second, minute, hour or day, so that it is short. */
static const char *notify_age(int64_t ms, char text[DURATION_TEXT_BYTES]) {
    static const int64_t units_ms[] = {86400000, 3600000, 60000};
    int64_t unit_ms = 1000;
    for (size_t i = 0; unit_ms == 1000 && i < sizeof units_ms / sizeof *units_ms; i++)
        if (ms >= 10 * units_ms[i])
            unit_ms = units_ms[i];
    return duration_format(ms < 0 ? 0 : ms / unit_ms * unit_ms, text);
}

bool notify_is_heard(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    return path && *path;
}

void notify_ready(void) {
    sd_notify(0, "READY=1");
}

void notify_reloading(void) {
    sd_notify(0, "RELOADING=1");
}

void notify_stopping(void) {
    sd_notify(0, "STOPPING=1");
    notify_patience();
}

/* It never makes the unit's own limit shorter. */
void notify_patience(void) {
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d", PATIENCE_US);
}

void notify_status_waiting(const struct setback *setback, int64_t left_ms) {
    char left[DURATION_TEXT_BYTES];
    sd_notifyf(0, "STATUS=Waiting %s more, after %" PRId64 " failures in a row: %s",
               notify_age(left_ms, left), setback->failures, setback->error.text);
}

void notify_status_starting(void) {
    sd_notify(0, "STATUS=Opening the database");
}

void notify_status_running(const struct dispatcher_counts *counts, uint64_t per_second,
                           int64_t now_wall_ms) {
    char age[DURATION_TEXT_BYTES], oldest[DURATION_TEXT_BYTES + 16] = "";
    if (counts->oldest_at)
        snprintf(oldest, sizeof oldest, ", oldest %s",
                 notify_age(now_wall_ms - counts->oldest_at, age));
    sd_notifyf(0, "STATUS=Delivering %" PRIu64 "/s: %" PRId64 " pending, %d in flight%s",
               per_second, counts->pending, counts->in_flight, oldest);
}

void notify_status_draining(const struct dispatcher_counts *counts, int64_t left_ms) {
    char left[DURATION_TEXT_BYTES];
    sd_notifyf(0, "STATUS=Draining: %d in flight have %s left, %d outcomes to write",
               counts->in_flight, notify_age(left_ms, left), counts->unwritten);
}

int64_t notify_watchdog_ms(void) {
    uint64_t us = 0;
    if (sd_watchdog_enabled(0, &us) <= 0)
        return 0;
    int64_t ms = (int64_t)us / US_PER_MS / PINGS_PER_PERIOD;
    return ms ? ms : 1;
}

void notify_alive(void) {
    sd_notify(0, "WATCHDOG=1");
}
