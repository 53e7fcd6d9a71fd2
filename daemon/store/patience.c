#include "outhook/store/patience.h"

#include "outhook/base/clock.h"
#include "outhook/runtime/log.h"

#include <inttypes.h>
#include <time.h>

enum {
    LOCK_RETRY_US = 2000,    /* how often a lock that another process holds is tried */
    SPACE_RETRY_US = 500000, /* how often a full disk is tried */
    REPORT_AFTER_MS = 1000,  /* a wait longer than this is worth a line in the log */
    NOTE_AFTER_MS = 5000,    /* likewise where nothing is held up by it */
    REPORT_EVERY_MS = 60000, /* space that comes and goes, and is gone at once, fills no log */
    LAST_WAIT_MS = 1000,     /* what a stop that may not wait still waits for a lock */
};

static int64_t reported_at_ms; /* mono; 0: never. The store's thread's. */

struct patience patience_begin(void) {
    return (struct patience){.since_ms = clock_now().mono_ms};
}

static int64_t patience_waited_ms(const struct patience *patience) {
    return clock_now().mono_ms - patience->since_ms;
}

static void patience_report(struct patience *patience, int64_t after_ms, const char *consequence,
                            const struct error *error) {
    int64_t now_ms = clock_now().mono_ms;
    if (patience->reported || now_ms - patience->since_ms < after_ms ||
        (reported_at_ms && now_ms - reported_at_ms < REPORT_EVERY_MS))
        return;
    patience->reported = true;
    reported_at_ms = now_ms;
    log_event(LOG_STORE_BLOCKED, "%s; %s until that ends", error->text, consequence);
}

bool patience_helps(int r, bool starting) {
    return r == ERROR_BUSY || r == ERROR_FULL || (r == ERROR_DISK && starting);
}

bool patience_wait(struct patience *patience, int r, bool give_up, const struct error *error) {
    if (!patience_helps(r, patience->starting))
        return false;
    if (give_up && patience_waited_ms(patience) >= LAST_WAIT_MS)
        return false;
    patience_report(patience, REPORT_AFTER_MS, "nothing is lost, and deliveries wait", error);
    int64_t pause_us = r == ERROR_BUSY ? LOCK_RETRY_US : SPACE_RETRY_US;
    nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
    return true;
}

void patience_end(const struct patience *patience) {
    if (patience->reported)
        log_event(LOG_STORE_RECOVERED, "the database can be written again after %" PRId64 " s",
                  patience_waited_ms(patience) / 1000);
}

void patience_note(struct patience *patience, int r, const char *consequence,
                   const struct error *error) {
    if (!r) {
        patience_end(patience);
        *patience = (struct patience){0};
        return;
    }
    if (!patience->since_ms)
        *patience = patience_begin();
    patience_report(patience, NOTE_AFTER_MS, consequence, error);
}
