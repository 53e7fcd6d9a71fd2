#ifndef OUTHOOK_SERVICE_ATTEMPT_LOG_H
#define OUTHOOK_SERVICE_ATTEMPT_LOG_H

/*
 * One line of log an attempt, up to so many a second; what is over is counted in one line. The
 * loop's thread.
 */

#include "outhook/base/clock.h"

#include <stdint.h>

struct completion;
struct delivery;
struct outcome;

struct attempt_log {
    int64_t per_second;
    int64_t second; /* mono; the one that `written` counts for */
    int64_t written, left_out;
};

/* Logs the end of a call. `completion` says what follows from it. */
void attempt_log_write(struct attempt_log *log, const struct delivery *delivery,
                       const struct outcome *outcome, const struct completion *completion,
                       struct now now);

#endif
