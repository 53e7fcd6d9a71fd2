#include "outhook/delivery/loader.h"

#include "outhook/delivery/delivery.h"
#include "outhook/delivery/lane.h"

static const int64_t load_bytes_usual = 256 * 1024;

/* What a load may bring when no more is needed; a payload larger than that is a large one. */
static int64_t usual_bytes(const struct loader_policy *policy) {
    int64_t half = policy->max_bytes / 2;
    return half < load_bytes_usual ? half : load_bytes_usual;
}

static int64_t lane_load_bytes(const struct lane *lane, const struct loader_policy *policy) {
    return lane->need_bytes ? lane->need_bytes : usual_bytes(policy);
}

/* Counts bytes that come into memory, or leave it when they are less than none. */
static void loader_count(struct loader *loader, const struct loader_policy *policy, int64_t bytes) {
    loader->bytes += bytes;
    if ((bytes < 0 ? -bytes : bytes) > usual_bytes(policy))
        loader->bytes_large += bytes;
}

static bool loader_has_bytes(const struct loader *loader, const struct loader_policy *policy,
                             int64_t bytes) {
    bool large = bytes > usual_bytes(policy);
    int64_t loaded = large ? loader->bytes_large : loader->bytes - loader->bytes_large;
    return !loaded || loaded + bytes <= policy->max_bytes / 2;
}

void loader_init(struct loader *loader) {
    *loader = (struct loader){0};
    list_init(&loader->usual);
    list_init(&loader->large);
}

void loader_queue(struct loader *loader, struct lane *lane) {
    lane->load = LOAD_QUEUED;
    list_push(lane->need_bytes ? &loader->large : &loader->usual, &lane->link);
}

bool loader_has_room(const struct loader *loader, const struct loader_policy *policy,
                     const struct lane *lane) {
    return loader->n_loads < LOADER_LOADS_MAX && loader->n_rows < policy->max_rows &&
           loader_has_bytes(loader, policy, lane_load_bytes(lane, policy));
}

bool loader_may_take(const struct loader *loader, const struct loader_policy *policy, int rows,
                     int64_t bytes) {
    return loader->n_rows + rows <= policy->max_rows && bytes <= usual_bytes(policy) &&
           loader_has_bytes(loader, policy, bytes);
}

struct lane *loader_next(const struct loader *loader, const struct loader_policy *policy) {
    const struct list *const lines[] = {&loader->usual, &loader->large};
    for (int i = 0; i < 2; i++) {
        struct list *link = list_first(lines[i]);
        struct lane *lane = link ? container_of(link, struct lane, link) : NULL;
        if (lane && loader_has_room(loader, policy, lane))
            return lane;
    }
    return NULL;
}

void loader_ask(struct loader *loader, const struct loader_policy *policy, struct lane *lane,
                int rows) {
    int room = policy->max_rows - loader->n_rows;
    lane->load = LOAD_SENT;
    lane->load_rows = rows < room ? rows : room;
    lane->load_bytes = lane_load_bytes(lane, policy);
    loader->n_loads++;
    loader->n_rows += lane->load_rows;
    loader_count(loader, policy, lane->load_bytes);
}

void loader_answered(struct loader *loader, const struct loader_policy *policy, struct lane *lane) {
    loader->n_loads--;
    loader->n_rows -= lane->load_rows;
    loader_count(loader, policy, -lane->load_bytes);
    lane->load = LOAD_NONE;
}

void loader_take(struct loader *loader, const struct loader_policy *policy,
                 const struct delivery *delivery) {
    loader->n_rows++;
    loader_count(loader, policy, (int64_t)delivery->payload_bytes);
}

void loader_drop_payload(struct loader *loader, const struct loader_policy *policy,
                         const struct delivery *delivery) {
    loader_count(loader, policy, -(int64_t)delivery->payload_bytes);
}

void loader_drop_row(struct loader *loader) {
    loader->n_rows--;
}

bool loader_is_crowded(const struct loader *loader, const struct loader_policy *policy) {
    return loader->n_rows > policy->max_rows / 2 || loader->bytes > policy->max_bytes / 4;
}
