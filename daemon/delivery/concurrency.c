#include "outhook/delivery/concurrency.h"

enum {
    ONE_Q8 = 256,
    OVERDUE_CEILING_MS = 5000,
    SLOW_START_UNKNOWN = 1000,
};

void concurrency_reset(struct concurrency *concurrency) {
    *concurrency = (struct concurrency){
        .limit_q8 = ONE_Q8,
        .slow_start = SLOW_START_UNKNOWN,
        .last_cut_at = -1,
    };
}

int concurrency_limit(const struct concurrency *concurrency, int most) {
    int limit = concurrency->proven ? (int)(concurrency->limit_q8 / ONE_Q8) : 1;
    return limit < 1 ? 1 : limit > most ? most : limit;
}

static void concurrency_measure(struct concurrency *concurrency, int64_t duration_ms) {
    if (!concurrency->smoothed_ms8) {
        concurrency->smoothed_ms8 = duration_ms * 8;
        concurrency->deviation_ms8 = duration_ms * 4;
        return;
    }
    int64_t off = duration_ms * 8 - concurrency->smoothed_ms8;
    concurrency->smoothed_ms8 += off / 8;
    concurrency->deviation_ms8 += ((off < 0 ? -off : off) - concurrency->deviation_ms8) / 4;
}

void concurrency_answered(struct concurrency *concurrency, int64_t duration_ms) {
    concurrency_measure(concurrency, duration_ms);
    if (concurrency->proven)
        return;
    concurrency->proven = true;
    uint32_t limit = concurrency->slow_start < CONCURRENCY_INITIAL ? concurrency->slow_start
                                                                   : CONCURRENCY_INITIAL;
    concurrency->limit_q8 = limit * ONE_Q8;
}

void concurrency_grow(struct concurrency *concurrency, int in_flight, int most) {
    uint32_t limit = concurrency->limit_q8 / ONE_Q8;
    if ((uint32_t)in_flight * 2 < limit || limit >= (uint32_t)most)
        return;
    /* Rounded up: rounded down, a limit above 256 would never grow again. */
    concurrency->limit_q8 += limit < concurrency->slow_start
                                 ? ONE_Q8
                                 : (ONE_Q8 * ONE_Q8 - 1) / concurrency->limit_q8 + 1;
}

void concurrency_cut(struct concurrency *concurrency, int percent, int64_t sent_at,
                     int64_t now_ms) {
    if (sent_at <= concurrency->last_cut_at)
        return;
    uint32_t limit_q8 = concurrency->limit_q8 * (uint32_t)percent / 100;
    concurrency->limit_q8 = limit_q8 < ONE_Q8 ? ONE_Q8 : limit_q8;
    concurrency->slow_start =
        concurrency->limit_q8 / ONE_Q8 < 2 ? 2 : concurrency->limit_q8 / ONE_Q8;
    concurrency->last_cut_at = now_ms;
}

void concurrency_doubt(struct concurrency *concurrency) {
    concurrency->proven = false;
}

int64_t concurrency_overdue_ms(const struct concurrency *concurrency, int64_t floor_ms) {
    int64_t usual = (concurrency->smoothed_ms8 + 4 * concurrency->deviation_ms8) / 8;
    return usual < floor_ms ? floor_ms : usual > OVERDUE_CEILING_MS ? OVERDUE_CEILING_MS : usual;
}

int64_t concurrency_expected_ms(const struct concurrency *concurrency) {
    int64_t expected = concurrency->smoothed_ms8 / 8;
    return expected < 1 ? 1 : expected;
}
