#include "outhook/store/unwritten.h"

#include "outhook/base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Outcomes that follow a commit closely wait this long for company, and less long if somebody
     * waits for them. A page that several of them change is then written once. They wait for longer
     * where commits take long, so that the write lock is held for a small share of the time. */
    LINGER_US = 20000,
    LINGER_MAX_US = WRITE_LINGER_MAX_MS * 1000,
    LINGER_OF_COMMIT = 200,
    LINGER_URGENT_US = 1000,
    PUT_OFF_US = 500, /* while a producer holds the lock, which a commit of its own does for 1 ms */
    PUT_OFF_MAX_US = 20000,
    BATCH_MIN = 64, /* outcomes a commit */
    BATCH_FIRST = 256,
    BATCH_MAX = 512,
    BATCH_FRAMES = 250, /* that a commit should write at most */
    FRAMES_SPARE = 8,   /* that a commit of few may write beyond one for each outcome */
    QUICK_US = 12,      /* an outcome takes at most, where nothing is waited for; 8 as measured */
};

void unwritten_add(struct unwritten *unwritten, struct store_request *request) {
    unwritten->requests[unwritten->count++] = request;
    unwritten->urgent |= request->write.urgent;
}

static int unwritten_batch_size(const struct unwritten *unwritten) {
    return unwritten->batch ? unwritten->batch : BATCH_FIRST;
}

static int64_t unwritten_linger_us(const struct unwritten *unwritten) {
    int64_t us = unwritten->took_us * LINGER_OF_COMMIT;
    if (unwritten->urgent)
        return LINGER_URGENT_US;
    return us < LINGER_US ? LINGER_US : us > LINGER_MAX_US ? LINGER_MAX_US : us;
}

int64_t unwritten_commit_at(const struct unwritten *unwritten) {
    if (!unwritten->count)
        return CLOCK_NEVER;
    if (unwritten->put_off_since_us)
        return unwritten->not_before_us;
    if (unwritten->count >= unwritten_batch_size(unwritten))
        return 0;
    return unwritten->committed_at_us + unwritten_linger_us(unwritten);
}

static int compare_writes(const void *a, const void *b) {
    const struct store_request *x = *(struct store_request *const *)a;
    const struct store_request *y = *(struct store_request *const *)b;
    return (x->write.delivery_id > y->write.delivery_id) -
           (x->write.delivery_id < y->write.delivery_id);
}

bool unwritten_put_off(struct unwritten *unwritten, int64_t now_us) {
    if (!unwritten->put_off_since_us)
        unwritten->put_off_since_us = now_us;
    unwritten->not_before_us = now_us + PUT_OFF_US;
    return now_us < unwritten->put_off_since_us + PUT_OFF_MAX_US;
}

int unwritten_batch(struct unwritten *unwritten, struct write *writes[UNWRITTEN_MAX]) {
    int batch = unwritten_batch_size(unwritten);
    int count = unwritten->count < batch ? unwritten->count : batch;
    qsort(unwritten->requests, (size_t)unwritten->count, sizeof *unwritten->requests,
          compare_writes);
    for (int i = 0; i < count; i++)
        writes[i] = &unwritten->requests[i]->write;
    return count;
}

static void unwritten_clear(struct unwritten *unwritten) {
    unwritten->count = 0;
    unwritten->urgent = false;
}

/* Few outcomes say little of many: pages are shared among them. */
static void unwritten_learn(struct unwritten *unwritten, int count, int64_t frames) {
    int64_t batch = frames > 0 ? count * (int64_t)BATCH_FRAMES / frames : BATCH_MAX;
    if (count < BATCH_MIN)
        return;
    unwritten->batch = batch < BATCH_MIN ? BATCH_MIN : batch > BATCH_MAX ? BATCH_MAX : (int)batch;
}

/* What is due before its time has been reached. */
static bool unwritten_is_early(const struct unwritten *unwritten, int count) {
    return unwritten->urgent || count >= unwritten_batch_size(unwritten);
}

/* No more than one for each outcome; nor than the last commit wrote, in proportion where this one
 * is larger. A smaller one shares fewer of its pages. */
int64_t unwritten_warm_frames(const struct unwritten *unwritten, int count) {
    int64_t most = count < BATCH_FRAMES ? count : BATCH_FRAMES;
    int64_t last = unwritten->last_frames;
    bool quick = unwritten->quick && unwritten_is_early(unwritten, count);
    if (quick || unwritten->put_off_since_us)
        return 0;
    if (count > unwritten->last_count && last)
        last = last * count / unwritten->last_count;
    return (last && last < most ? last : most) + FRAMES_SPARE;
}

void unwritten_committed(struct unwritten *unwritten, int count, const struct commit_cost *cost,
                         int64_t now_us) {
    /* After one that was due early company comes at once, or a backlog ends and none comes. */
    bool early = unwritten_is_early(unwritten, count);
    unwritten->took_us = early ? 0 : cost->took_us;
    unwritten->quick = cost->warm_us + cost->took_us <= count * (int64_t)QUICK_US;
    unwritten->last_count = count;
    unwritten->last_frames = cost->frames > 0 ? cost->frames : 0;
    unwritten_learn(unwritten, count, cost->frames);
    unwritten->committed_at_us = now_us;
    unwritten->put_off_since_us = 0;
    unwritten->count -= count;
    memmove(unwritten->requests, unwritten->requests + count,
            (size_t)unwritten->count * sizeof *unwritten->requests);
    if (!unwritten->count)
        unwritten_clear(unwritten);
}

void unwritten_drop(struct unwritten *unwritten) {
    for (int i = 0; i < unwritten->count; i++)
        store_request_free(unwritten->requests[i]);
    unwritten_clear(unwritten);
}
