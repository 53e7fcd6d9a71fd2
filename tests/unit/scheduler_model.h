#ifndef OUTHOOK_TESTS_SCHEDULER_MODEL_H
#define OUTHOOK_TESTS_SCHEDULER_MODEL_H

/*
 * A world for the real scheduler: a store that is a table in memory, receivers that answer as a
 * test says, and a clock that a test moves.
 *
 * The store keeps the contract of store/queue.h and store/store.h: requests and replies are two
 * queues, a row that was handed out is not loaded again before it is given back or its outcome is
 * committed, and outcomes are committed later than loads that were asked for after them. The rules
 * that must hold all the time are in scheduler_check.h.
 */

#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SITES_MAX = 2200, LOADED_MAX = 32 };

enum row_status { ROW_PENDING, ROW_DELIVERED, ROW_FAILED, ROW_EXPIRED, ROW_CANCELLED };

struct row {
    struct heap_node node; /* in its site's rows while pending and not handed out */
    struct list fresh;     /* in the model's while the store has not noticed it */
    int64_t id, due_at, retry_at, expires_at;
    struct site *site;
    size_t bytes;
    int attempts;
    enum row_status status;
    bool handed_out, flying;
};

struct site {
    int64_t id;
    bool exists, told, changed;
    /* Its settings. */
    char url[64];
    bool named, enabled, ordered;
    int max_in_flight, max_attempts, rate_burst;
    double rate_limit;
    /* How it answers. */
    enum verdict verdict;
    int64_t latency_ms, retry_after_ms;
    /* What happened. */
    struct heap rows;
    int calls, calls_most, sent, loads;
    int64_t wait_most_ms;
};

struct call {
    struct heap_node node; /* by its end */
    struct delivery *delivery;
    struct site *site;
    struct outcome outcome;
};

enum message_kind {
    ASK_LOAD,
    ASK_RELEASE,
    ASK_WRITE,
    ASK_FORGET,
    ASK_REFRESH,
    TELL_ENDPOINT,
    TELL_GONE,
    TELL_NOTICED,
    TELL_LOADED,
    TELL_FORGOTTEN,
    TELL_WRITTEN
};

struct message {
    struct list link;
    enum message_kind kind;
    struct site *site;
    int count;
    int64_t bytes, id, due_at, retry_at, need_bytes;
    struct delivery *delivery, *rows[LOADED_MAX];
    enum row_status fate;
    bool disable;
    struct endpoint *endpoint;
};

struct model {
    struct scheduler scheduler;
    struct scheduler_policy policy;
    struct durations schedule;
    struct now now;
    struct random random;
    struct site *sites;
    int n_sites;
    struct map rows;       /* all, by id */
    struct map handed_out; /* by id */
    int64_t next_row_id;
    struct list fresh;       /* rows */
    struct list asked, told; /* messages on their way */
    struct list uncommitted; /* writes that the store has taken */
    struct heap calls;
    bool locked; /* the store can't commit */
    int64_t next_call;
    int64_t *sent_ids; /* in the order of sending */
    size_t n_sent;
    int n_ended, n_expired_unsent, n_aborted, n_forgotten;
};

static inline struct message *message_new(enum message_kind kind, struct site *site) {
    struct message *message = new (struct message);
    message->kind = kind;
    message->site = site;
    return message;
}

static inline struct site *model_site(struct model *model, int64_t id) {
    assert_in_range(id, 1, model->n_sites);
    return &model->sites[id - 1];
}

static inline struct row *model_row(struct model *model, int64_t id) {
    struct row *row = map_get(&model->rows, id);
    assert_non_null(row);
    return row;
}

/* ---- what the scheduler asks for ------------------------------------------------------------- */

static inline void model_on_load(void *context, int64_t endpoint_id, int rows, int64_t bytes) {
    struct model *model = context;
    struct message *message = message_new(ASK_LOAD, model_site(model, endpoint_id));
    assert_in_range(rows, 1, LOADED_MAX);
    assert_true(bytes > 0);
    message->count = rows;
    message->bytes = bytes;
    message->site->loads++;
    list_push(&model->asked, &message->link);
}

static inline void model_ask_about(struct model *model, enum message_kind kind, int64_t id) {
    struct message *message = message_new(kind, model_site(model, id));
    list_push(&model->asked, &message->link);
}

static inline void model_on_forget(void *context, int64_t endpoint_id) {
    struct model *model = context;
    assert_null(lanes_get(&model->scheduler.lanes, endpoint_id));
    assert_int_equal(model_site(model, endpoint_id)->calls, 0);
    model->n_forgotten++;
    model_ask_about(model, ASK_FORGET, endpoint_id);
}

static inline void model_on_release(void *context, struct delivery *delivery) {
    struct model *model = context;
    struct row *row = model_row(model, delivery->id);
    struct message *message = message_new(ASK_RELEASE, row->site);
    assert_true(row->handed_out && !row->flying);
    message->id = row->id;
    list_push(&model->asked, &message->link);
    delivery_free(delivery);
}

static inline void model_ask_write(struct model *model, struct delivery *delivery,
                                   enum row_status fate, const struct retry_decision *decision,
                                   bool disable) {
    struct row *row = model_row(model, delivery->id);
    struct message *message = message_new(ASK_WRITE, row->site);
    message->delivery = delivery;
    message->fate = fate;
    message->due_at = decision->due_at;
    message->retry_at = decision->retry_at;
    message->disable = disable;
    list_push(&model->asked, &message->link);
}

static inline void model_on_expire(void *context, struct delivery *delivery) {
    struct model *model = context;
    assert_true(delivery->expires_at <= model->now.wall_ms);
    assert_false(model_row(model, delivery->id)->flying);
    model->n_expired_unsent++;
    model_ask_write(model, delivery, ROW_EXPIRED, &(struct retry_decision){0}, false);
}

static inline void model_on_send(void *context, struct delivery *delivery) {
    struct model *model = context;
    struct row *row = model_row(model, delivery->id);
    struct site *site = row->site;
    struct call *call = new (struct call);
    assert_true(row->handed_out);
    assert_false(row->flying); /* never twice at once */
    assert_true(delivery->expires_at > model->now.wall_ms);
    row->flying = true;
    site->sent++;
    if (++site->calls > site->calls_most)
        site->calls_most = site->calls;
    if (model->now.wall_ms - delivery->due_at > site->wait_most_ms)
        site->wait_most_ms = model->now.wall_ms - delivery->due_at;
    model->sent_ids = memory_resize(model->sent_ids, model->n_sent + 1, sizeof *model->sent_ids);
    model->sent_ids[model->n_sent++] = row->id;

    call->delivery = delivery;
    call->site = site;
    call->outcome = (struct outcome){.verdict = site->verdict,
                                     .retry_after_ms = site->retry_after_ms,
                                     .duration_ms = site->latency_ms};
    heap_push(&model->calls, &call->node, model->now.mono_ms + site->latency_ms,
              model->next_call++);
}

static const struct scheduler_ops model_ops = {
    .load = model_on_load,
    .send = model_on_send,
    .expire = model_on_expire,
    .forget = model_on_forget,
    .release = model_on_release,
};

/* ---- people ---------------------------------------------------------------------------------- */

static inline struct site *model_add_site(struct model *model) {
    assert_true(model->n_sites < SITES_MAX);
    struct site *site = &model->sites[model->n_sites++];
    *site = (struct site){
        .id = model->n_sites,
        .exists = true,
        .changed = true,
        .named = true,
        .enabled = true,
        .verdict = VERDICT_DELIVERED,
        .latency_ms = 50,
        .retry_after_ms = -1,
    };
    snprintf(site->url, sizeof site->url, "https://host%d.example/", model->n_sites);
    return site;
}

static inline struct row *model_insert_sized(struct model *model, struct site *site, int64_t due_at,
                                             int64_t expires_at, size_t bytes) {
    struct row *row = new (struct row);
    *row = (struct row){.id = ++model->next_row_id,
                        .due_at = due_at,
                        .expires_at = expires_at,
                        .site = site,
                        .bytes = bytes};
    map_put(&model->rows, row->id, row);
    list_init(&row->fresh);
    list_push(&model->fresh, &row->fresh);
    heap_push(&site->rows, &row->node, due_at, row->id);
    return row;
}

/* A small row that is due now and does not expire. */
static inline struct row *model_insert(struct model *model, struct site *site) {
    return model_insert_sized(model, site, model->now.wall_ms, CLOCK_NEVER, 100);
}

static inline void model_insert_many(struct model *model, struct site *site, int rows) {
    for (int i = 0; i < rows; i++)
        model_insert(model, site);
}

static inline void model_end_row(struct model *model, struct row *row, enum row_status status) {
    assert_int_equal(row->status, ROW_PENDING); /* no row ends twice */
    row->status = status;
    heap_remove(&row->site->rows, &row->node);
    model->n_ended++;
}

static inline void model_cancel(struct model *model, struct row *row) {
    model_end_row(model, row, ROW_CANCELLED);
    row->site->changed = true;
}

/* Puts a row where it belongs after a change of it. */
static inline void model_file_row(struct row *row) {
    heap_remove(&row->site->rows, &row->node);
    if (row->status == ROW_PENDING && !row->handed_out)
        heap_push(&row->site->rows, &row->node, row->due_at, row->id);
}

static inline void model_replay(struct model *model, struct row *row) {
    assert_int_not_equal(row->status, ROW_PENDING);
    row->status = ROW_PENDING;
    row->attempts = 0;
    row->due_at = model->now.wall_ms;
    row->retry_at = 0;
    row->site->changed = true;
    model->n_ended--;
    model_file_row(row);
}

/* ---- the store ------------------------------------------------------------------------------- */

static inline struct endpoint *site_snapshot(const struct site *site) {
    struct endpoint *endpoint = endpoint_new();
    endpoint->id = site->id;
    endpoint->name = site->named ? memory_copy_string("a name") : NULL;
    endpoint->url = memory_copy_string(site->url);
    endpoint->enabled = site->enabled;
    endpoint->ordered = site->ordered;
    endpoint->max_in_flight = site->max_in_flight;
    endpoint->max_attempts = site->max_attempts;
    endpoint->rate_limit = site->rate_limit;
    endpoint->rate_burst = site->rate_burst;
    return endpoint;
}

/* As the store reads it: of all that is pending, handed out or not. */
static inline int64_t model_next_due(struct model *model, const struct site *site) {
    struct heap_node *first = heap_first(&site->rows);
    int64_t due_at = first ? first->key : CLOCK_NEVER;
    struct row *row;
    for (size_t cursor = 0; (row = map_next(&model->handed_out, &cursor));)
        if (row->site == site && row->status == ROW_PENDING && row->due_at < due_at)
            due_at = row->due_at;
    return due_at;
}

static inline void model_tell_site(struct model *model, struct site *site) {
    struct message *message = message_new(site->exists ? TELL_ENDPOINT : TELL_GONE, site);
    site->changed = false;
    if (site->exists) {
        message->endpoint = site_snapshot(site);
        message->due_at = model_next_due(model, site);
    }
    site->told = site->exists;
    list_push(&model->told, &message->link);
}

/* The store notices what other connections have committed. */
static inline void model_look(struct model *model) {
    struct list *link;
    for (int i = 0; i < model->n_sites; i++)
        if (model->sites[i].changed && (model->sites[i].exists || model->sites[i].told))
            model_tell_site(model, &model->sites[i]);
    while ((link = list_pop(&model->fresh))) {
        struct row *row = container_of(link, struct row, fresh);
        struct message *message;
        if (!row->site->told) {
            model_tell_site(model, row->site);
            continue;
        }
        message = message_new(TELL_NOTICED, row->site);
        message->due_at = row->due_at;
        list_push(&model->told, &message->link);
    }
}

static inline struct delivery *row_delivery(struct row *row) {
    struct delivery *delivery = delivery_new(0);
    delivery->id = row->id;
    delivery->endpoint_id = row->site->id;
    delivery->due_at = row->due_at;
    delivery->retry_at = row->retry_at;
    delivery->expires_at = row->expires_at;
    delivery->attempts = row->attempts;
    delivery->payload_bytes = row->bytes;
    return delivery;
}

/* queue_load(), in a few lines. */
static inline void model_load(struct model *model, struct site *site, int rows, int64_t bytes) {
    struct message *reply = message_new(TELL_LOADED, site);
    struct heap_node *first;
    reply->due_at = CLOCK_NEVER;
    while ((first = heap_first(&site->rows))) {
        struct row *row = container_of(first, struct row, node);
        bool fits = (int64_t)row->bytes <= bytes;
        if (row->due_at > model->now.wall_ms || reply->count == rows || !fits) {
            reply->due_at = row->due_at;
            bool alone = row->due_at <= model->now.wall_ms && !reply->count && !fits;
            reply->need_bytes = alone ? (int64_t)row->bytes : 0;
            break;
        }
        bytes -= (int64_t)row->bytes;
        row->handed_out = true;
        map_put(&model->handed_out, row->id, row);
        model_file_row(row);
        reply->rows[reply->count++] = row_delivery(row);
    }
    list_push(&model->told, &reply->link);
}

static inline void model_forget(struct model *model, struct row *row) {
    assert_true(row->handed_out);
    row->handed_out = false;
    map_remove(&model->handed_out, row->id);
    model_file_row(row);
}

/* Serves the oldest request; false when there is none. */
static inline bool model_serve(struct model *model) {
    struct list *link = list_pop(&model->asked);
    if (!link)
        return false;
    struct message *message = container_of(link, struct message, link);
    if (message->kind == ASK_WRITE) {
        list_push(&model->uncommitted, &message->link);
        return true;
    }
    if (message->kind == ASK_LOAD) {
        model_load(model, message->site, message->count, message->bytes);
    } else if (message->kind == ASK_FORGET) {
        message->site->told = false;
        list_push(&model->told, &message_new(TELL_FORGOTTEN, message->site)->link);
    } else if (message->kind == ASK_REFRESH) {
        if (message->site->exists || message->site->told)
            model_tell_site(model, message->site);
    } else {
        model_forget(model, model_row(model, message->id));
    }
    free(message);
    return true;
}

static inline void model_commit_one(struct model *model, struct message *message) {
    struct row *row = model_row(model, message->delivery->id);
    struct message *reply = message_new(TELL_WRITTEN, row->site);
    reply->delivery = message->delivery;
    reply->due_at = CLOCK_NEVER;
    row->attempts += row->flying;
    row->retry_at = message->retry_at;
    if (row->status == ROW_PENDING && message->fate == ROW_PENDING)
        reply->due_at = row->due_at = message->due_at;
    else if (row->status == ROW_PENDING)
        model_end_row(model, row, message->fate);
    else
        assert_int_equal(row->status, ROW_CANCELLED); /* meanwhile */
    row->flying = false;
    model_forget(model, row);
    list_push(&model->told, &reply->link);
    if (message->disable) {
        row->site->enabled = false;
        model_tell_site(model, row->site);
    }
    free(message);
}

static inline void model_commit(struct model *model) {
    struct list *link;
    while (!model->locked && (link = list_pop(&model->uncommitted)))
        model_commit_one(model, container_of(link, struct message, link));
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Takes the oldest reply; false when there is none. */
static inline bool model_take(struct model *model) {
    struct scheduler *scheduler = &model->scheduler;
    struct list *link = list_pop(&model->told);
    if (!link)
        return false;
    struct message *message = container_of(link, struct message, link);
    int64_t id = message->site->id;
    switch (message->kind) {
    case TELL_ENDPOINT:
        scheduler_endpoint(scheduler, message->endpoint, message->due_at, model->now);
        break;
    case TELL_GONE:
        scheduler_endpoint_gone(scheduler, id);
        break;
    case TELL_NOTICED:
        if (!scheduler_noticed(scheduler, id, message->due_at, model->now))
            model_ask_about(model, ASK_REFRESH, id);
        break;
    case TELL_FORGOTTEN:
        scheduler_forgotten(scheduler);
        break;
    case TELL_LOADED:
        scheduler_loaded(scheduler, id, message->rows, message->count, message->due_at,
                         message->need_bytes, model->now);
        break;
    default:
        scheduler_written(scheduler, message->delivery, message->due_at, model->now);
        break;
    }
    free(message);
    return true;
}

static inline struct completion model_complete(struct model *model, struct call *call) {
    static const enum row_status fates[] = {
        [RETRY_AGAIN] = ROW_PENDING, [RETRY_FAILED] = ROW_FAILED, [RETRY_EXPIRED] = ROW_EXPIRED};
    struct delivery *delivery = call->delivery;
    heap_remove(&model->calls, &call->node);
    call->site->calls--;
    call->outcome.duration_ms = model->now.mono_ms - delivery->sent_at;
    struct completion completion =
        scheduler_completed(&model->scheduler, delivery, &call->outcome, model->now);
    bool delivered = call->outcome.verdict == VERDICT_DELIVERED;
    model_ask_write(model, delivery, delivered ? ROW_DELIVERED : fates[completion.decision.fate],
                    &completion.decision, completion.disable_endpoint);
    free(call);
    return completion;
}

static inline void model_abort(struct model *model, struct call *call) {
    heap_remove(&model->calls, &call->node);
    call->site->calls--;
    model_row(model, call->delivery->id)->flying = false;
    model->n_aborted++;
    scheduler_aborted(&model->scheduler, call->delivery);
    free(call);
}

static inline struct call *model_first_call(const struct model *model) {
    struct heap_node *first = heap_first(&model->calls);
    return first ? container_of(first, struct call, node) : NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static inline struct model *model_new(uint64_t seed, int max_in_flight) {
    struct model *model = new (struct model);
    model->sites = memory_new(SITES_MAX, sizeof *model->sites);
    model->now = (struct now){.mono_ms = 1000, .wall_ms = 1700000000000};
    model->random = (struct random){seed};
    model->schedule = (struct durations){.count = 3, .ms = {1000, 10000, 60000}};
    model->policy = (struct scheduler_policy){
        .slots = {.max_in_flight = max_in_flight, .max_unwritten = (max_in_flight + 1) / 2},
        .load = {.max_rows = 4096, .max_bytes = 16 << 20},
        .max_idle = SITES_MAX,
        .lane = {.endpoint_max_in_flight = 20,
                 .breaker = {.failures = 5, .open_ms = 30000, .open_max_ms = 1800000}},
        .retry = {.schedule = &model->schedule,
                  .max_attempts = 16,
                  .jitter_percent = 20,
                  .retry_after_max_ms = 3600000},
    };
    list_init(&model->fresh);
    list_init(&model->asked);
    list_init(&model->told);
    list_init(&model->uncommitted);
    scheduler_init(&model->scheduler, &model_ops, model, &model->policy, seed);
    return model;
}

static inline void messages_free(struct list *list) {
    struct list *link;
    while ((link = list_pop(list))) {
        struct message *message = container_of(link, struct message, link);
        for (int i = 0; message->kind == TELL_LOADED && i < message->count; i++)
            delivery_free(message->rows[i]);
        endpoint_unref(message->endpoint);
        delivery_free(message->delivery);
        free(message);
    }
}

static inline void model_free(struct model *model) {
    struct row *row;
    struct call *call;
    scheduler_free(&model->scheduler); /* with the deliveries of calls under way */
    messages_free(&model->asked);
    messages_free(&model->told);
    messages_free(&model->uncommitted);
    while ((call = model_first_call(model))) {
        heap_remove(&model->calls, &call->node);
        free(call);
    }
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        free(row);
    for (int i = 0; i < model->n_sites; i++)
        heap_free(&model->sites[i].rows);
    map_free(&model->rows);
    map_free(&model->handed_out);
    heap_free(&model->calls);
    free(model->sent_ids);
    free(model->sites);
    free(model);
}

#endif
