#include "outhook/service/dispatcher.h"

#include "outhook/base/clock.h"
#include "outhook/base/duration.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/scheduler.h"
#include "outhook/delivery/scheduler_gates.h"
#include "outhook/delivery/seal.h"
#include "outhook/http/pool.h"
#include "outhook/runtime/log.h"
#include "outhook/runtime/resource.h"
#include "outhook/runtime/waker.h"
#include "outhook/service/attempt_log.h"
#include "outhook/service/endpoint_log.h"
#include "outhook/service/notify.h"
#include "outhook/store/store.h"
#include "outhook/store/vitals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN_BUDGET = 256, /* sends a turn, so that news are taken in between */
    RECEIVE_BATCH = 64,
    LOOK_EVERY_MS = 5000,
    CLOCK_MOVED_MS = 1000, /* a change of wall against monotonic time that is no drift */
    /* Loads, limits and the like, and what replies that were not taken may bring, beside one
     * request a row in memory: a row each that was offered, and a question. */
    REQUESTS_SPARE = 16384,
    GATES_EVERY_MS = 1000, /* how often people are told what holds endpoints up */
    GATES_MAX = 500,       /* at most so many of them */
    IDLE_LANES_MAX = 4096, /* of bare URLs, at less than 2 kB each */
    HOUR_MS = 3600000,
    HOST_TEXT_BYTES = 600, /* as long as an origin may be */
};

struct dispatcher {
    const struct config *config;
    struct dispatcher_events events;
    struct scheduler scheduler;
    struct store *store;
    struct pool *pool;
    struct http_policy *policy;
    struct attempt_log attempts;
    struct endpoint_log endpoints;
    struct vitals vitals;
    struct waker waker;
    uv_poll_t wake;
    uv_timer_t timer;
    int64_t clock_offset_ms; /* wall minus monotonic, when last looked at */
    bool draining, drained;
    bool telling_gates;                /* the store has yet to write the last ones */
    struct store_request *gates_again; /* or could not */
    int64_t gates_at;                  /* mono ms of the next time */
    uint64_t delivered, not_delivered, store_heartbeat;
};

/* ---- settings -------------------------------------------------------------------------------- */

int dispatcher_http_policy(const struct config *config, struct http_policy **policy,
                           struct error *error) {
    struct http_policy *made = http_policy_new();
    struct error detail = {0};
    int r = networks_parse(config->allow_networks, &made->addresses.allow, &detail);
    if (r)
        error_set(error, r, "allow_networks: %s", detail.text);
    if (!r && (r = networks_parse(config->deny_networks, &made->addresses.deny, &detail)))
        error_set(error, r, "deny_networks: %s", detail.text);
    made->addresses.permit_private = config->permit_allow_private == 1;
    if (!r && (r = proxy_parse(config->proxy, &made->proxy, &detail)))
        error_set(error, r, "proxy: %s", detail.text);
    if (!r && *config->default_secret &&
        (r = signature_secret_check(SIGNING_STANDARD, config->default_secret, &detail)))
        error_set(error, r, "default_secret: %s", detail.text);
    if (r) {
        http_policy_unref(made);
        return r;
    }
    made->timeout_ms = config->timeout;
    made->connect_timeout_ms = config->connect_timeout;
    made->max_response_bytes = config->max_response_bytes;
    made->keep_response_bytes = config->keep_response_bytes;
    made->ca_file = memory_copy_string(config->ca_file);
    made->default_secret =
        *config->default_secret ? memory_copy_string(config->default_secret) : NULL;
    *policy = made;
    return 0;
}

static struct scheduler_policy scheduler_policy(const struct config *config) {
    return (struct scheduler_policy){
        .slots = {.max_in_flight = (int)config->max_in_flight,
                  .max_unwritten = (int)config->max_unwritten,
                  .origin_max_in_flight = (int)config->origin_max_in_flight},
        .load = {.max_rows = (int)config->max_loaded, .max_bytes = config->max_loaded_bytes},
        .max_idle = IDLE_LANES_MAX,
        .lane =
            {.endpoint_max_in_flight = (int)config->endpoint_max_in_flight,
             /* An endpoint that falls silent with all its slots taken leaves as many to others. */
             .share_max = (int)(config->max_in_flight + 1) / 2,
             .disable_after_ms = config->disable_after,
             .breaker = {.failures = (int)config->breaker_failures,
                         .open_ms = config->breaker_open,
                         .open_max_ms = config->breaker_open_max}},
        .retry = {.schedule = &config->retry_schedule,
                  .max_attempts = (int)config->max_attempts,
                  .jitter_percent = (int)config->retry_jitter,
                  .retry_after_max_ms = config->retry_after_max},
    };
}

/* ---- what the scheduler asks for ------------------------------------------------------------- */

static void dispatcher_load(void *context, int64_t endpoint_id, int rows, int64_t bytes) {
    struct dispatcher *dispatcher = context;
    struct store_request *request = store_request_new(STORE_LOAD);
    request->endpoint_id = endpoint_id;
    request->rows = rows;
    request->bytes = bytes;
    store_send(dispatcher->store, request);
}

static void dispatcher_send(void *context, struct delivery *delivery) {
    struct dispatcher *dispatcher = context;
    struct http_call *call = new (struct http_call);
    call->delivery = delivery;
    call->endpoint = delivery->endpoint;
    call->policy = http_policy_ref(dispatcher->policy);
    pool_send(dispatcher->pool, call);
}

static void dispatcher_expire(void *context, struct delivery *delivery) {
    struct dispatcher *dispatcher = context;
    struct store_request *request = store_request_new(STORE_WRITE);
    request->delivery = delivery;
    request->write = (struct write){
        .delivery_id = delivery->id,
        .endpoint_id = delivery->endpoint_id,
        .fate = WRITE_EXPIRED,
        .finished_at = clock_now().wall_ms,
    };
    store_send(dispatcher->store, request);
}

static void dispatcher_ask_about(struct dispatcher *dispatcher, enum store_request_kind kind,
                                 int64_t endpoint_id) {
    struct store_request *request = store_request_new(kind);
    request->endpoint_id = endpoint_id;
    store_send(dispatcher->store, request);
}

static void dispatcher_forget(void *context, int64_t endpoint_id) {
    dispatcher_ask_about(context, STORE_FORGET, endpoint_id);
}

static void dispatcher_give_back(struct dispatcher *dispatcher, struct delivery *delivery,
                                 bool refused) {
    struct store_request *request = store_request_new(STORE_RELEASE);
    request->write.delivery_id = delivery->id;
    request->refused = refused;
    store_send(dispatcher->store, request);
    delivery_free(delivery);
}

static void dispatcher_release(void *context, struct delivery *delivery) {
    dispatcher_give_back(context, delivery, false);
}

static const struct scheduler_ops scheduler_ops = {
    .load = dispatcher_load,
    .send = dispatcher_send,
    .expire = dispatcher_expire,
    .forget = dispatcher_forget,
    .release = dispatcher_release,
};

/* ---- what comes back ------------------------------------------------------------------------- */

static enum write_fate completion_fate(const struct outcome *outcome,
                                       const struct completion *completion) {
    static const enum write_fate fates[] = {
        [RETRY_AGAIN] = WRITE_AGAIN,
        [RETRY_FAILED] = WRITE_FAILED,
        [RETRY_EXPIRED] = WRITE_EXPIRED,
    };
    return outcome->verdict == VERDICT_DELIVERED ? WRITE_DELIVERED
                                                 : fates[completion->decision.fate];
}

static void dispatcher_log_disabled(const struct endpoint *endpoint,
                                    const struct completion *completion) {
    const struct log_field field = {"ENDPOINT", endpoint_label(endpoint)};
    char text[DURATION_TEXT_BYTES];
    if (completion->news.failed_too_long)
        log_event_of(LOG_ENDPOINT_DISABLED, &field,
                     "endpoint %s has failed for %s without one success and is disabled; its "
                     "deliveries wait until it is enabled again",
                     field.value,
                     duration_format(completion->news.failing_ms / HOUR_MS * HOUR_MS, text));
    else if (completion->disable_endpoint)
        log_event_of(LOG_ENDPOINT_DISABLED, &field,
                     "endpoint %s answered 410 Gone and is disabled; its deliveries wait until it "
                     "is enabled again",
                     field.value);
}

static void dispatcher_log_breakers(const struct endpoint *endpoint,
                                    const struct completion *completion) {
    char host[HOST_TEXT_BYTES];
    const struct log_field own = {"ENDPOINT", endpoint_label(endpoint)}, shared = {"HOST", host};
    snprintf(host, sizeof host, "%.*s", endpoint_origin_length(endpoint), endpoint->url);
    if (completion->news.breaker_opened)
        log_event_of(LOG_BREAKER_OPENED, &own,
                     "endpoint %s failed too often in a row and is left alone for a while",
                     own.value);
    if (completion->news.breaker_closed)
        log_event_of(LOG_BREAKER_CLOSED, &own, "endpoint %s answers again", own.value);
    if (completion->origin.opened)
        log_event_of(LOG_BREAKER_OPENED, &shared,
                     "%s is silent to several endpoints and is left alone for a while", host);
    if (completion->origin.closed)
        log_event_of(LOG_BREAKER_CLOSED, &shared, "%s answers again", host);
}

/* A row of an ordered endpoint holds up the next one, and one that is tried again soon holds up
 * itself; the end waits for all; and of outcomes that are not written there may be so many that no
 * call is begun any more. */
static bool dispatcher_waits_for_store(const struct dispatcher *dispatcher,
                                       const struct delivery *delivery, const struct write *write,
                                       struct now now) {
    const struct scheduler *scheduler = &dispatcher->scheduler;
    bool again_soon =
        write->fate == WRITE_AGAIN && write->due_at < now.wall_ms + WRITE_LINGER_MAX_MS;
    return delivery->endpoint->ordered || again_soon || dispatcher->draining ||
           slots_wait_for_store(&scheduler->slots, &scheduler->policy.slots);
}

/* A call has ended: the scheduler decides, the store writes. */
static void dispatcher_complete(struct dispatcher *dispatcher, struct http_call *call,
                                struct now now) {
    struct delivery *delivery = call->delivery;
    struct completion completion =
        scheduler_completed(&dispatcher->scheduler, delivery, &call->outcome, now);
    struct store_request *request = store_request_new(STORE_WRITE);
    bool delivered = call->outcome.verdict == VERDICT_DELIVERED;
    *(delivered ? &dispatcher->delivered : &dispatcher->not_delivered) += 1;
    attempt_log_write(&dispatcher->attempts, delivery, &call->outcome, &completion, now);
    dispatcher_log_disabled(delivery->endpoint, &completion);
    dispatcher_log_breakers(delivery->endpoint, &completion);

    request->delivery = delivery;
    request->write = (struct write){
        .delivery_id = delivery->id,
        .endpoint_id = delivery->endpoint_id,
        .fate = completion_fate(&call->outcome, &completion),
        .due_at = completion.decision.due_at,
        .retry_at = completion.decision.retry_at,
        .finished_at = now.wall_ms,
        .attempted = true,
        .number = delivery->attempts_before + delivery->attempts + 1,
        .disable_endpoint = completion.disable_endpoint,
        .failing_since = completion.news.failing_began ? completion.news.failing_since : 0,
        .failing_ended = completion.news.failing_ended,
        .outcome = call->outcome,
    };
    request->write.urgent = dispatcher_waits_for_store(dispatcher, delivery, &request->write, now);
    call->outcome = (struct outcome){0}; /* it has moved */
    store_send(dispatcher->store, request);
}

static void dispatcher_take_calls(struct dispatcher *dispatcher, struct now now) {
    struct http_call *calls[RECEIVE_BATCH];
    int count;
    while ((count = pool_receive(dispatcher->pool, calls, RECEIVE_BATCH)))
        for (int i = 0; i < count; i++) {
            struct delivery *delivery = calls[i]->delivery;
            bool aborted = calls[i]->outcome.verdict == VERDICT_ABORTED;
            if (!aborted)
                dispatcher_complete(dispatcher, calls[i], now);
            http_call_free(calls[i]);
            if (aborted)
                scheduler_aborted(&dispatcher->scheduler, delivery);
        }
}

static void dispatcher_written(struct dispatcher *dispatcher, struct store_reply *reply,
                               struct now now) {
    struct delivery *delivery = reply->request->delivery;
    if (reply->request->write.settled)
        log_line(LEVEL_INFO, "delivery=%" PRId64 " had been cancelled while it was under way",
                 delivery->id);
    reply->request->delivery = NULL;
    scheduler_written(&dispatcher->scheduler, delivery, reply->due_at, now);
}

/* The lane may have been dropped while this was on its way. */
static void dispatcher_notice(struct dispatcher *dispatcher, int64_t endpoint_id, int64_t due_at,
                              struct now now) {
    if (!scheduler_noticed(&dispatcher->scheduler, endpoint_id, due_at, now))
        dispatcher_ask_about(dispatcher, STORE_REFRESH, endpoint_id);
}

static void dispatcher_refuse(struct dispatcher *dispatcher, struct store_reply *reply,
                              struct now now) {
    int64_t first = reply->load->rows[0]->due_at; /* which may be older than what is new */
    for (int i = 0; i < reply->load->count; i++)
        dispatcher_give_back(dispatcher, reply->load->rows[i], true);
    dispatcher_notice(dispatcher, reply->endpoint_id, first < reply->due_at ? first : reply->due_at,
                      now);
}

static void dispatcher_reply(struct dispatcher *dispatcher, struct store_reply *reply,
                             struct now now) {
    struct scheduler *scheduler = &dispatcher->scheduler;
    switch (reply->kind) {
    case STORE_OPENED:
        dispatcher->events.opened(dispatcher->events.context);
        break;
    case STORE_ENDPOINT:
        endpoint_log_read(&dispatcher->endpoints, reply->endpoint, now);
        scheduler_endpoint(scheduler, reply->endpoint, reply->due_at, now);
        reply->endpoint = NULL;
        break;
    case STORE_ENDPOINT_GONE:
        scheduler_endpoint_gone(scheduler, reply->endpoint_id);
        break;
    case STORE_HEADS_UP:
        pool_expect(dispatcher->pool);
        break;
    case STORE_OFFERED:
        if (!scheduler_offered(scheduler, reply->endpoint_id, reply->load->rows, reply->load->count,
                               reply->load->next_due, now))
            dispatcher_refuse(dispatcher, reply, now);
        reply->load->count = 0;
        break;
    case STORE_NOTICED:
        dispatcher_notice(dispatcher, reply->endpoint_id, reply->due_at, now);
        break;
    case STORE_GATES_WRITTEN:
        dispatcher->telling_gates = false;
        dispatcher->gates_again = reply->request;
        reply->request = NULL;
        break;
    case STORE_FORGOTTEN:
        scheduler_forgotten(scheduler);
        break;
    case STORE_LOADED:
        scheduler_loaded(scheduler, reply->endpoint_id, reply->load->rows, reply->load->count,
                         reply->load->next_due, reply->load->need_bytes, now);
        reply->load->count = 0;
        break;
    case STORE_WRITTEN:
        dispatcher_written(dispatcher, reply, now);
        break;
    }
    store_reply_free(reply);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void dispatcher_check_clock(struct dispatcher *dispatcher, struct now now) {
    int64_t offset_ms = now.wall_ms - now.mono_ms;
    int64_t moved_ms = offset_ms - dispatcher->clock_offset_ms;
    if (moved_ms > -CLOCK_MOVED_MS && moved_ms < CLOCK_MOVED_MS)
        return;
    dispatcher->clock_offset_ms = offset_ms;
    log_line(LEVEL_WARNING, "the system's clock was set by %" PRId64 " ms", moved_ms);
    scheduler_clock_moved(&dispatcher->scheduler, moved_ms, now);
}

static void dispatcher_tell_gates(struct dispatcher *dispatcher, struct now now) {
    struct gate_change changes[GATES_MAX];
    if (dispatcher->telling_gates || dispatcher->draining || now.mono_ms < dispatcher->gates_at)
        return;
    dispatcher->gates_at = now.mono_ms + GATES_EVERY_MS;
    struct store_request *request = dispatcher->gates_again;
    dispatcher->gates_again = NULL;
    if (!request) {
        int count = scheduler_gates(&dispatcher->scheduler, changes, GATES_MAX, now);
        if (!count)
            return;
        request = store_request_new(STORE_GATES);
        request->gates = memory_new((size_t)count, sizeof *request->gates);
        memcpy(request->gates, changes, (size_t)count * sizeof *changes);
        request->gate_count = count;
    }
    dispatcher->telling_gates = true;
    store_send(dispatcher->store, request);
}

static void dispatcher_on_timer(uv_timer_t *timer);

static void dispatcher_set_timer(struct dispatcher *dispatcher, struct now now) {
    /* Now and then while anything waits: a clock that was set, or stood still in suspend, tells
     * nobody. */
    int64_t wake_at = scheduler_wake_at(&dispatcher->scheduler);
    if (wake_at != CLOCK_NEVER && wake_at > now.mono_ms + LOOK_EVERY_MS)
        wake_at = now.mono_ms + LOOK_EVERY_MS;
    if (wake_at > pool_wake_at(dispatcher->pool))
        wake_at = pool_wake_at(dispatcher->pool);
    if ((scheduler_has_moved(&dispatcher->scheduler) || dispatcher->gates_again) &&
        wake_at > dispatcher->gates_at)
        wake_at = dispatcher->gates_at;
    uv_update_time(dispatcher->timer.loop);
    uv_timer_start(&dispatcher->timer, dispatcher_on_timer,
                   wake_at > now.mono_ms ? (uint64_t)(wake_at - now.mono_ms) : 0, 0);
}

static void dispatcher_check_drained(struct dispatcher *dispatcher) {
    if (!dispatcher->draining || dispatcher->drained || dispatcher->scheduler.slots.n_flying ||
        dispatcher->scheduler.slots.n_unwritten)
        return;
    dispatcher->drained = true;
    dispatcher->events.drained(dispatcher->events.context);
}

static void dispatcher_turn(struct dispatcher *dispatcher) {
    struct store_reply *reply;
    struct now now = clock_now();
    dispatcher_check_clock(dispatcher, now);
    while ((reply = store_receive(dispatcher->store)))
        dispatcher_reply(dispatcher, reply, now);
    pool_turn(dispatcher->pool, now.mono_ms);
    dispatcher_take_calls(dispatcher, now);
    if (scheduler_run(&dispatcher->scheduler, now, RUN_BUDGET))
        waker_wake(&dispatcher->waker);
    dispatcher_tell_gates(dispatcher, now);
    pool_ring(dispatcher->pool);
    store_ring(dispatcher->store);
    endpoint_log_turn(&dispatcher->endpoints, now);
    dispatcher_set_timer(dispatcher, now);
    dispatcher_check_drained(dispatcher);
}

static void dispatcher_on_wake(uv_poll_t *wake, int status, int events) {
    struct dispatcher *dispatcher = wake->data;
    (void)status, (void)events;
    waker_take(&dispatcher->waker);
    dispatcher_turn(dispatcher);
}

static void dispatcher_on_timer(uv_timer_t *timer) {
    dispatcher_turn(timer->data);
}

/* Called by the store's and the workers' threads. */
static void dispatcher_wake(void *context) {
    struct dispatcher *dispatcher = context;
    waker_wake(&dispatcher->waker);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct retention_settings dispatcher_retention(const struct config *config) {
    return (struct retention_settings){
        .delivered = config->retain_delivered,
        .failed = config->retain_failed,
        .attempts = config->retain_attempts,
    };
}

static struct store *dispatcher_store(struct dispatcher *dispatcher, const struct seal_keys *keys) {
    const struct config *config = dispatcher->config;
    struct store_settings settings = {
        .path = config->database,
        .heads_ups = true,
        .offers = true,
        .cache_bytes = config->database_cache_bytes,
        .max_pending = config->max_pending,
        .max_payload_bytes = config->max_payload_bytes,
        .retain = dispatcher_retention(config),
        .max_requests = (int)(config->max_in_flight + config->max_loaded) + REQUESTS_SPARE,
        .vitals = notify_is_heard() ? &dispatcher->vitals : NULL,
        .keys = keys,
    };
    return store_new(&settings, dispatcher_wake, dispatcher);
}

static struct pool *dispatcher_pool(struct dispatcher *dispatcher, struct task_group *group) {
    const struct config *config = dispatcher->config;
    const struct pool_settings settings = {
        .workers = (int)config->workers,
        .max_in_flight = (int)config->max_in_flight,
        .max_lookups = (int)config->max_lookups,
        .lookup_cache_ms = config->lookup_cache,
        .wake = dispatcher_wake,
        .context = dispatcher,
    };
    return pool_new(group, &settings);
}

struct dispatcher *dispatcher_new(uv_loop_t *loop, struct task_group *group,
                                  const struct config *config, struct http_policy *policy,
                                  const struct seal_keys *keys,
                                  const struct dispatcher_events *events) {
    struct dispatcher *dispatcher = new (struct dispatcher);
    struct scheduler_policy scheduling = scheduler_policy(config);
    struct now now = clock_now();
    dispatcher->config = config;
    dispatcher->events = *events;
    dispatcher->policy = policy;
    dispatcher->attempts.per_second = config->log_attempts_per_second;
    dispatcher->clock_offset_ms = now.wall_ms - now.mono_ms;
    waker_open(&dispatcher->waker);
    resource_check(uv_poll_init(loop, &dispatcher->wake, dispatcher->waker.fd),
                   "the dispatcher's wake-up");
    uv_poll_start(&dispatcher->wake, UV_READABLE, dispatcher_on_wake);
    uv_timer_init(loop, &dispatcher->timer);
    dispatcher->wake.data = dispatcher->timer.data = dispatcher;
    scheduler_init(&dispatcher->scheduler, &scheduler_ops, dispatcher, &scheduling,
                   (uint64_t)clock_mono_us());

    /* The store is added first, so that it is stopped last: it writes what the workers bring. */
    dispatcher->store = dispatcher_store(dispatcher, keys);
    struct task_definition store = store_task(dispatcher->store);
    task_group_add(group, &store);
    dispatcher->pool = dispatcher_pool(dispatcher, group);
    return dispatcher;
}

void dispatcher_free(struct dispatcher *dispatcher) {
    if (!dispatcher)
        return;
    if (dispatcher->gates_again)
        store_request_free(dispatcher->gates_again);
    store_free(dispatcher->store);
    scheduler_free(&dispatcher->scheduler);
    pool_free(dispatcher->pool); /* and libcurl, after what it has made for endpoints */
    http_policy_unref(dispatcher->policy);
    waker_close(&dispatcher->waker);
    free(dispatcher);
}

void dispatcher_reload(struct dispatcher *dispatcher, struct http_policy *policy,
                       const struct seal_keys *keys) {
    const struct config *config = dispatcher->config;
    struct scheduler_policy scheduling = scheduler_policy(config);
    struct store_request *request = store_request_new(STORE_LIMITS);
    http_policy_unref(dispatcher->policy);
    dispatcher->policy = policy;
    dispatcher->attempts.per_second = config->log_attempts_per_second;
    scheduler_set_policy(&dispatcher->scheduler, &scheduling);
    pool_set_lookup_cache(dispatcher->pool, config->lookup_cache);
    request->max_pending = config->max_pending;
    request->max_payload_bytes = config->max_payload_bytes;
    request->retain = dispatcher_retention(config);
    store_send(dispatcher->store, request);
    request = store_request_new(STORE_KEYS);
    request->keys = new (struct seal_keys);
    *request->keys = *keys;
    store_send(dispatcher->store, request);
    store_ring(dispatcher->store);
}

void dispatcher_drain(struct dispatcher *dispatcher) {
    dispatcher->draining = true;
    scheduler_stop(&dispatcher->scheduler);
    waker_wake(&dispatcher->waker);
}

void dispatcher_hurry(struct dispatcher *dispatcher) {
    store_give_up_waiting(dispatcher->store);
}

void dispatcher_collect(struct dispatcher *dispatcher) {
    pool_stop_lookups(dispatcher->pool);
    dispatcher_take_calls(dispatcher, clock_now());
    store_ring(dispatcher->store);
}

bool dispatcher_alive(struct dispatcher *dispatcher) {
    uint64_t heartbeat = store_heartbeat(dispatcher->store);
    bool alive = heartbeat != dispatcher->store_heartbeat;
    dispatcher->store_heartbeat = heartbeat;
    store_nudge(dispatcher->store);
    return pool_alive(dispatcher->pool) && alive;
}

struct dispatcher_counts dispatcher_counts(struct dispatcher *dispatcher) {
    return (struct dispatcher_counts){
        .delivered = dispatcher->delivered,
        .not_delivered = dispatcher->not_delivered,
        .in_flight = dispatcher->scheduler.slots.n_flying,
        .unwritten = dispatcher->scheduler.slots.n_unwritten,
        .pending = atomic_load(&dispatcher->vitals.pending),
        .oldest_at = atomic_load(&dispatcher->vitals.oldest_at),
    };
}

void dispatcher_close(struct dispatcher *dispatcher) {
    uv_close((uv_handle_t *)&dispatcher->wake, NULL);
    uv_close((uv_handle_t *)&dispatcher->timer, NULL);
}
