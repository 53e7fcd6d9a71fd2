#include "outhook/store/locked.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <stdlib.h>

void locked_free(struct locked *locked) {
    int64_t *until_at;
    for (size_t cursor = 0; (until_at = map_next(&locked->endpoints, &cursor));)
        free(until_at);
    map_free(&locked->endpoints);
    *locked = (struct locked){0};
}

void locked_note(struct locked *locked, int64_t endpoint_id, const struct endpoint *endpoint) {
    free(map_remove(&locked->endpoints, endpoint_id));
    if (!endpoint || (!endpoint->locked && !endpoint->locked_until))
        return;
    int64_t *until_at = memory_new(1, sizeof *until_at);
    *until_at = endpoint->locked_until;
    map_put(&locked->endpoints, endpoint_id, until_at);
    if (*until_at < locked->until_at)
        locked->until_at = *until_at;
}

int64_t *locked_over(struct locked *locked, int64_t now_wall_ms, size_t *count) {
    int64_t *ids = NULL, *until_at, id;
    *count = 0;
    if (now_wall_ms < locked->until_at)
        return NULL;
    locked->until_at = CLOCK_NEVER;
    for (size_t cursor = 0; (until_at = map_next_id(&locked->endpoints, &cursor, &id));) {
        if (*until_at <= now_wall_ms) {
            if (!ids)
                ids = memory_new(locked->endpoints.count, sizeof *ids);
            ids[(*count)++] = id;
        } else if (*until_at < locked->until_at) {
            locked->until_at = *until_at;
        }
    }
    return ids;
}
