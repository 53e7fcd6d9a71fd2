#ifndef OUTHOOK_SERVICE_ENDPOINT_LOG_H
#define OUTHOOK_SERVICE_ENDPOINT_LOG_H

/*
 * What is worth saying of an endpoint whenever it is read: that it can't be sent to, or is called
 * without a check of its certificate. A key that is lost may lock thousands at once, so that only a
 * few lines are written a second, and one for all the others.
 */

#include "outhook/base/clock.h"

struct endpoint;

/* Starts as {0}. The loop's thread only. */
struct endpoint_log {
    int64_t second; /* mono */
    int written, left_out;
};

/* An endpoint was read. */
void endpoint_log_read(struct endpoint_log *log, const struct endpoint *endpoint, struct now now);

/* Tells now and then how many lines were left out. */
void endpoint_log_turn(struct endpoint_log *log, struct now now);

#endif
