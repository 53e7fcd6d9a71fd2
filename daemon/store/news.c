#include "outhook/store/news.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/store/exchange.h"
#include "outhook/store/queue.h"

#include <stdlib.h>

enum {
    OFFER_ROWS_MAX = 8,
    OFFER_BYTES_MAX = 64 << 10,
    OFFER_PAUSE_MS = 100,
};

int news_open(struct news *news, struct error *error) {
    return queue_version(news->queue, &news->version, error);
}

void news_free(struct news *news) {
    map_free(&news->told);
    locked_free(&news->locked);
}

int news_endpoint(struct news *news, int64_t id, struct error *error) {
    struct patience patience = patience_begin();
    struct endpoint *endpoint;
    int64_t next_due = CLOCK_NEVER;
    int r;
    do
        r = queue_endpoint(news->queue, id, &endpoint, &next_due, error);
    while (r && news->may_retry(news->context, &patience, r, error));
    if (r)
        return r;
    locked_note(&news->locked, id, endpoint);
    if (endpoint) {
        map_put(&news->told, id, news);
        exchange_reply(news->exchange, &(struct store_reply){.kind = STORE_ENDPOINT,
                                                             .endpoint = endpoint,
                                                             .due_at = next_due});
    } else if (map_remove(&news->told, id)) {
        exchange_reply(news->exchange,
                       &(struct store_reply){.kind = STORE_ENDPOINT_GONE, .endpoint_id = id});
    }
    return 0;
}

int news_boot(struct news *news, struct error *error) {
    int64_t ids[QUEUE_PAGE];
    int count, r;
    if (news->booted)
        return 0;
    r = queue_endpoints(news->queue, news->boot_after, ids, &count, error);
    if (r == ERROR_BUSY)
        return 0; /* at a moment when the log was being recovered: the next turn reads it */
    for (int i = 0; !r && i < count; i++) {
        news->boot_after = ids[i];
        if (!map_get(&news->told, ids[i])) /* or new rows have brought it already */
            r = news_endpoint(news, ids[i], error);
    }
    if (!r && count < QUEUE_PAGE) {
        news->booted = true;
        exchange_reply(news->exchange, &(struct store_reply){.kind = STORE_OPENED});
    }
    return r;
}

/* What people have edited comes first, so that new rows meet the endpoints as they are now. */
static int news_changes(struct news *news, struct error *error) {
    int64_t ids[QUEUE_PAGE];
    int count, r;
    do {
        r = queue_changes(news->queue, ids, &count, error);
        for (int i = 0; !r && i < count; i++)
            r = news_endpoint(news, ids[i], error);
    } while (!r && count == QUEUE_PAGE);
    return r;
}

/* A few new rows are loaded at once, as an endpoint that has nothing else to do takes them. Where
 * they were refused, they were loaded in vain, so that this is left for a while. */
static int news_offer(struct news *news, const struct queue_notice *notice, struct error *error) {
    struct store_reply reply = {
        .kind = STORE_NOTICED, .endpoint_id = notice->endpoint_id, .due_at = notice->due_at};
    struct now now = clock_now();
    struct queue_load load = {0};
    int r = 0;
    if (news->offers && notice->rows <= OFFER_ROWS_MAX && now.mono_ms >= news->offer_at)
        r = queue_load(news->queue, notice->endpoint_id, notice->rows, OFFER_BYTES_MAX, now.wall_ms,
                       &load, error);
    if (r)
        return r;
    if (load.count) {
        reply.kind = STORE_OFFERED;
        reply.load = new (struct queue_load);
        *reply.load = load;
    }
    exchange_reply(news->exchange, &reply);
    return 0;
}

static int news_fresh(struct news *news, struct error *error) {
    struct queue_notice notices[QUEUE_PAGE];
    int count = 0, r = queue_begin(news->queue, error);
    if (!r)
        r = queue_fresh(news->queue, notices, &count, &news->more_fresh, error);
    for (int i = 0; !r && i < count; i++) {
        if (!map_get(&news->told, notices[i].endpoint_id))
            r = news_endpoint(news, notices[i].endpoint_id, error);
        else
            r = news_offer(news, &notices[i], error);
    }
    queue_end(news->queue);
    return r;
}

int news_look(struct news *news, bool *changed, struct error *error) {
    int64_t version = news->version;
    int r = queue_version(news->queue, &version, error);
    *changed = !r && version != news->version;
    if (!r && *changed)
        r = news_changes(news, error);
    if (!r && (*changed || news->more_fresh))
        r = news_fresh(news, error);
    if (!r)
        news->version = version; /* else the next look sees the same difference, and tells it */
    return r;
}

int news_locked(struct news *news, int64_t now_wall_ms, struct error *error) {
    size_t count;
    int64_t *ids = locked_over(&news->locked, now_wall_ms, &count);
    int r = 0;
    for (size_t i = 0; !r && i < count; i++)
        r = news_endpoint(news, ids[i], error);
    free(ids);
    return r;
}

void news_refused(struct news *news, int64_t now_mono_ms) {
    news->offer_at = now_mono_ms + OFFER_PAUSE_MS;
}

void news_forget(struct news *news, int64_t endpoint_id) {
    map_remove(&news->told, endpoint_id);
}
