#ifndef OUTHOOK_BASE_CLOCK_H
#define OUTHOOK_BASE_CLOCK_H

/*
 * The two clocks. Rows carry wall time, which people read and which may jump; waiting is measured on
 * the monotonic clock, which never does. Nothing in the delivery layer reads either: it is told.
 */

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

struct now {
    int64_t mono_ms; /* since some start; never goes back */
    int64_t wall_ms; /* since 1970, UTC */
};

/* Both clocks, read together. Any thread. */
struct now clock_now(void);

/* The monotonic clock in microseconds. Any thread. */
int64_t clock_mono_us(void);

#endif
