#include "outhook/store/unwritten.h"

#include "outhook/base/clock.h"

#include <stdlib.h>

enum {
    /* Outcomes that follow a commit closely wait this long for company, and less long if somebody
     * waits for them. A page that several of them change is then written once. */
    LINGER_US = 5000,
    LINGER_URGENT_US = 1000,
};

void unwritten_add(struct unwritten *unwritten, struct store_request *request) {
    unwritten->requests[unwritten->count++] = request;
    unwritten->urgent |= request->write.urgent;
}

int64_t unwritten_commit_at(const struct unwritten *unwritten) {
    if (!unwritten->count)
        return CLOCK_NEVER;
    return unwritten->committed_at_us + (unwritten->urgent ? LINGER_URGENT_US : LINGER_US);
}

bool unwritten_is_due(const struct unwritten *unwritten, int64_t now_us) {
    return unwritten->count >= UNWRITTEN_MAX / 2 || unwritten_commit_at(unwritten) <= now_us;
}

static int compare_writes(const void *a, const void *b) {
    const struct store_request *x = *(struct store_request *const *)a;
    const struct store_request *y = *(struct store_request *const *)b;
    return (x->write.delivery_id > y->write.delivery_id) -
           (x->write.delivery_id < y->write.delivery_id);
}

void unwritten_sort(struct unwritten *unwritten, struct write *writes[UNWRITTEN_MAX]) {
    qsort(unwritten->requests, (size_t)unwritten->count, sizeof *unwritten->requests,
          compare_writes);
    for (int i = 0; i < unwritten->count; i++)
        writes[i] = &unwritten->requests[i]->write;
}

void unwritten_clear(struct unwritten *unwritten) {
    unwritten->count = 0;
    unwritten->urgent = false;
}

void unwritten_drop(struct unwritten *unwritten) {
    for (int i = 0; i < unwritten->count; i++)
        store_request_free(unwritten->requests[i]);
    unwritten_clear(unwritten);
}
