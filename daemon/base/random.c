#include "outhook/base/random.h"

uint64_t random_next(struct random *random) {
    uint64_t x = (random->state += 0x9e3779b97f4a7c15u);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int64_t random_below(struct random *random, int64_t bound) {
    return bound < 1 ? 0 : (int64_t)(random_next(random) % (uint64_t)bound);
}

int64_t random_jitter(struct random *random, int64_t value, int percent) {
    int64_t reach = value / 100 * percent + value % 100 * percent / 100;
    return value - reach + random_below(random, 2 * reach + 1);
}
