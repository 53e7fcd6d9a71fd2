#include "outhook/store/patience.h"

#include "outhook/base/clock.h"
#include "outhook/runtime/log.h"

#include <inttypes.h>
#include <time.h>

enum {
    LOCK_RETRY_US = 2000,    /* how often a lock that another process holds is tried */
    SPACE_RETRY_US = 500000, /* how often a full disk is tried */
    REPORT_AFTER_MS = 1000,  /* a wait longer than this is worth a line in the log */
    LAST_WAIT_MS = 1000,     /* what a stop that may not wait still waits for a lock */
};

struct patience patience_begin(void) {
    return (struct patience){.since_ms = clock_now().mono_ms};
}

static int64_t patience_waited_ms(const struct patience *patience) {
    return clock_now().mono_ms - patience->since_ms;
}

static void patience_report(struct patience *patience, const struct error *error) {
    if (patience->reported || patience_waited_ms(patience) < REPORT_AFTER_MS)
        return;
    patience->reported = true;
    log_event(LOG_STORE_BLOCKED, "%s; deliveries wait until that ends, and nothing is lost",
              error->text);
}

bool patience_wait(struct patience *patience, int r, bool give_up, const struct error *error) {
    if (r != ERROR_BUSY && r != ERROR_FULL)
        return false;
    if (give_up && patience_waited_ms(patience) >= LAST_WAIT_MS)
        return false;
    patience_report(patience, error);
    int64_t pause_us = r == ERROR_BUSY ? LOCK_RETRY_US : SPACE_RETRY_US;
    nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
    return true;
}

void patience_end(const struct patience *patience) {
    if (patience->reported)
        log_event(LOG_STORE_RECOVERED, "the database can be written again after %" PRId64 " s",
                  patience_waited_ms(patience) / 1000);
}
