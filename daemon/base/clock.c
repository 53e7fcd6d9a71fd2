#include "outhook/base/clock.h"

#include <time.h>

static int64_t clock_us(clockid_t id) {
    struct timespec time;
    clock_gettime(id, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

struct now clock_now(void) {
    return (struct now){
        .mono_ms = clock_us(CLOCK_MONOTONIC) / 1000,
        .wall_ms = clock_us(CLOCK_REALTIME) / 1000,
    };
}

int64_t clock_mono_us(void) {
    return clock_us(CLOCK_MONOTONIC);
}
