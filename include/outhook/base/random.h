#ifndef OUTHOOK_BASE_RANDOM_H
#define OUTHOOK_BASE_RANDOM_H

/*
 * Numbers for jitter: SplitMix64 (Steele, Lea, Flood 2014), seeded, so that a test can repeat them.
 * Never for secrets.
 */

#include <stdint.h>

struct random {
    uint64_t state;
};

/* The next 64 bits. */
uint64_t random_next(struct random *random);

/* A number from 0 to bound - 1; 0 when bound is less than 1. */
int64_t random_below(struct random *random, int64_t bound);

/* `value` changed by up to `percent` of itself, in either direction, evenly. */
int64_t random_jitter(struct random *random, int64_t value, int percent);

#endif
