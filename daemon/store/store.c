#include "outhook/store/store.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/seal.h"
#include "outhook/runtime/log.h"
#include "outhook/store/announcement.h"
#include "outhook/store/checkpoint.h"
#include "outhook/store/database.h"
#include "outhook/store/exchange.h"
#include "outhook/store/heads_up.h"
#include "outhook/store/news.h"
#include "outhook/store/patience.h"
#include "outhook/store/presence.h"
#include "outhook/store/retention.h"
#include "outhook/store/sealer.h"
#include "outhook/store/unwritten.h"
#include "outhook/store/vitals.h"
#include "outhook/store/watch.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    RETAIN_FRAMES_MAX = 2000, /* of the log, beyond which nothing is deleted: it can't be emptied */
};

struct store {
    struct store_settings settings;
    struct seal_keys keys; /* to start with; the sealer has them from then on */
    struct task *task;
    struct exchange exchange;
    atomic_bool stopping, give_up;
    atomic_uint_fast64_t heartbeat;

    /* The store's thread only, from here on. */
    struct database database;
    struct queue queue;
    struct writer writer;
    struct checkpoint checkpoint;
    struct sealer sealer;
    struct watch watch;
    struct heads_up heads_up;
    int64_t log_writes; /* that were taken for a heads-up, or left out */
    struct retention retention;
    struct presence presence;
    struct news news;
    bool more_requests; /* as many requests were taken as could be: there may be more */
    struct unwritten unwritten;
    struct error error; /* why the store ended */
};

/* ---- messages -------------------------------------------------------------------------------- */

void store_send(struct store *store, struct store_request *request) {
    exchange_send(&store->exchange, request);
}

void store_ring(struct store *store) {
    exchange_ring(&store->exchange);
}

struct store_reply *store_receive(struct store *store) {
    return exchange_receive(&store->exchange);
}

/* ---- waiting for others ---------------------------------------------------------------------- */

/* After a failure that may pass: waits a little. False when it won't, or may not be waited for. */
static bool store_may_retry(void *context, struct patience *patience, int r,
                            const struct error *error) {
    struct store *store = context;
    exchange_tell(&store->exchange);
    bool again = patience_wait(patience, r, atomic_load(&store->give_up), error);
    atomic_fetch_add(&store->heartbeat, again);
    return again;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int store_boot(struct store *store, struct error *error) {
    bool before = store->news.booted;
    int r = news_boot(&store->news, error);
    if (store->news.booted && !before)
        task_ready(store->task);
    return r;
}

/* Looks whether another process has committed, and tells what that brought. */
static int store_look(struct store *store, struct error *error) {
    bool changed = false;
    int64_t last_id = store->queue.last_delivery_id;
    int r = news_look(&store->news, &changed, error);
    if (store->queue.last_delivery_id != last_id)
        heads_up_right(&store->heads_up);
    if (!changed)
        return r;
    sealer_notice(&store->sealer);
    if (watch_found(&store->watch, clock_mono_us()))
        log_line(LEVEL_INFO,
                 "a commit was found that the kernel had not told of: from now on %s is looked at "
                 "four times a second",
                 store->settings.path);
    return r;
}

static int store_load(struct store *store, const struct store_request *request,
                      struct error *error) {
    struct store_reply reply = {.kind = STORE_LOADED, .endpoint_id = request->endpoint_id};
    int r = queue_begin(&store->queue, error);
    if (r)
        return r;
    reply.load = new (struct queue_load);
    r = queue_load(&store->queue, request->endpoint_id, request->rows, request->bytes,
                   clock_now().wall_ms, reply.load, error);
    if (!r) {
        exchange_reply(&store->exchange, &reply);
    } else {
        free(reply.load);
        queue_end(&store->queue);
    }
    return r;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Answers what was written. A disabled endpoint is told anew, as no trigger does that for us. */
static int store_answer_writes(struct store *store, int count, struct error *error) {
    int r = 0;
    for (int i = 0; i < count; i++) {
        struct store_request *request = store->unwritten.requests[i];
        bool again = request->write.fate == WRITE_AGAIN && !request->write.settled;
        int64_t disabled = request->write.disable_endpoint ? request->write.endpoint_id : 0;
        queue_forget(&store->queue, request->write.delivery_id);
        exchange_reply(&store->exchange, &(struct store_reply){
                                             .kind = STORE_WRITTEN,
                                             .request = request,
                                             .due_at = again ? request->write.due_at : CLOCK_NEVER,
                                         });
        if (disabled && !r)
            r = news_endpoint(&store->news, disabled, error);
    }
    return r;
}

/* What can be waited for without the write lock is: disks, and memory that a host has taken away.
 */
static void store_warm(struct store *store, struct write *const *writes, int count,
                       struct commit_cost *cost) {
    int64_t began_us = clock_mono_us();
    int64_t frames = unwritten_warm_frames(&store->unwritten, count);
    if (!frames)
        return;
    if (!queue_begin(&store->queue, NULL))
        writer_warm(&store->writer, writes, count);
    queue_end(&store->queue);
    checkpoint_warm_log(&store->checkpoint, frames);
    cost->warm_us = clock_mono_us() - began_us;
}

static int store_write(struct store *store, struct write *const *writes, int count,
                       struct commit_cost *cost, struct error *error) {
    int64_t began_us = clock_mono_us(), frames = checkpoint_frames();
    int r = writer_commit(&store->writer, writes, count, error);
    cost->took_us = clock_mono_us() - began_us;
    cost->frames = checkpoint_frames() - frames;
    return r;
}

/* Writes outcomes that wait, however long others hold the lock. */
static int store_commit(struct store *store, struct error *error) {
    struct write *writes[UNWRITTEN_MAX];
    struct commit_cost cost = {0};
    if (!store->unwritten.count)
        return 0;
    struct patience patience = patience_begin();
    int count = unwritten_batch(&store->unwritten, writes);
    store_warm(store, writes, count, &cost);
    int r = store_write(store, writes, count, &cost, error);
    if (r == ERROR_BUSY && !atomic_load(&store->stopping) &&
        unwritten_put_off(&store->unwritten, clock_mono_us()))
        return 0; /* it may be a producer, whose webhook is about to come */
    while (r && store_may_retry(store, &patience, r, error))
        r = store_write(store, writes, count, &cost, error);
    if (r)
        return r;
    patience_end(&patience);
    r = store_answer_writes(store, count, error);
    unwritten_committed(&store->unwritten, count, &cost, clock_mono_us());
    return r;
}

static int store_limits(struct store *store, int64_t max_pending, int64_t max_payload_bytes,
                        struct error *error) {
    struct patience patience = patience_begin();
    int r;
    do
        r = writer_limits(&store->writer, max_pending, max_payload_bytes, error);
    while (r && store_may_retry(store, &patience, r, error));
    patience_end(&patience);
    return r;
}

/* Waits until outcomes can be written, and have been synced once. Otherwise each start on a disk
 * that takes none would make as many calls as there are slots, again and again. */
static int store_prove(struct store *store, struct error *error) {
    struct patience patience = patience_begin();
    int r;
    do
        r = writer_prove(&store->writer, error);
    while (r && store_may_retry(store, &patience, r, error));
    patience_end(&patience);
    return r ? r : checkpoint_sync_log(&store->database, error);
}

/* What is only for people to see waits for nobody: it is given back when it can't be written. */
static int store_gates(struct store *store, struct store_request *request, struct error *error) {
    int r = writer_gates(&store->writer, request->gates, request->gate_count, clock_now().wall_ms,
                         error);
    bool later = r == ERROR_BUSY || r == ERROR_FULL;
    if (!later)
        store_request_free(request);
    exchange_reply(&store->exchange, &(struct store_reply){.kind = STORE_GATES_WRITTEN,
                                                           .request = later ? request : NULL});
    return later ? 0 : r;
}

/* ---- secrets --------------------------------------------------------------------------------- */

/* What was plain text is not to be found in the log either. */
static int store_seal(struct store *store, int64_t now_ms, struct error *error) {
    int sealed = 0;
    if (!sealer_is_due(&store->sealer, now_ms))
        return 0;
    int r = sealer_run(&store->sealer, now_ms, &sealed, error);
    if (sealed)
        checkpoint_force(&store->checkpoint);
    return r;
}

/* ---- serving --------------------------------------------------------------------------------- */

/* Loads that come together are read in one transaction, which no other work may be in. */
static bool request_needs_own_transaction(const struct store_request *request) {
    return request->kind == STORE_REFRESH || request->kind == STORE_GATES ||
           request->kind == STORE_KEYS || request->kind == STORE_LIMITS;
}

static int store_serve(struct store *store, struct store_request *request, struct error *error) {
    struct patience patience = patience_begin();
    int r = 0;
    if (request_needs_own_transaction(request))
        queue_end(&store->queue);
    switch (request->kind) {
    case STORE_WRITE:
        unwritten_add(&store->unwritten, request);
        return 0;
    case STORE_LOAD:
        do
            r = store_load(store, request, error);
        while (r && store_may_retry(store, &patience, r, error));
        break;
    case STORE_RELEASE:
        if (request->refused)
            news_refused(&store->news, clock_now().mono_ms);
        queue_forget(&store->queue, request->write.delivery_id);
        break;
    case STORE_FORGET:
        news_forget(&store->news, request->endpoint_id);
        exchange_reply(&store->exchange, &(struct store_reply){.kind = STORE_FORGOTTEN});
        break;
    case STORE_REFRESH:
        r = news_endpoint(&store->news, request->endpoint_id, error);
        break;
    case STORE_GATES:
        return store_gates(store, request, error);
    case STORE_KEYS:
        sealer_set_keys(&store->sealer, request->keys);
        r = news_locked(&store->news, CLOCK_NEVER, error);
        break;
    case STORE_LIMITS:
        retention_set(&store->retention, &request->retain);
        r = store_limits(store, request->max_pending, request->max_payload_bytes, error);
        break;
    }
    store_request_free(request);
    return r;
}

/* What comes behind a failure: outcomes are kept, so that what is lost can be counted. */
static void store_drop_request(struct store *store, struct store_request *request) {
    if (request->kind == STORE_WRITE)
        unwritten_add(&store->unwritten, request);
    else
        store_request_free(request);
}

static int store_take_requests(struct store *store, struct error *error) {
    void *batch[UNWRITTEN_MAX];
    size_t room = (size_t)(UNWRITTEN_MAX - store->unwritten.count);
    size_t count = channel_receive(store->exchange.requests, batch, room);
    int r = 0;
    store->more_requests = count == room;
    for (size_t i = 0; i < count; i++)
        if (!r)
            r = store_serve(store, batch[i], error);
        else
            store_drop_request(store, batch[i]);
    queue_end(&store->queue);
    exchange_tell(&store->exchange); /* what was loaded can be sent while outcomes are written */
    if (!r && (unwritten_commit_at(&store->unwritten) <= clock_mono_us() ||
               atomic_load(&store->stopping)))
        r = store_commit(store, error);
    return r;
}

/* When (mono us) that may go on, as things are. */
static int64_t store_retain_at(struct store *store) {
    bool urgent = store->unwritten.count || !store->news.booted || atomic_load(&store->stopping);
    return urgent ? CLOCK_NEVER : retention_due_at(&store->retention);
}

/* Deletes what is old, when nothing that is urgent waits. */
static int store_retain(struct store *store, struct error *error) {
    int64_t gone[UNUSED_MAX], now_us = clock_mono_us();
    int64_t freed = store->retention.space.pages_freed;
    int count = 0, r = 0;
    if (now_us < store_retain_at(store))
        return 0;
    if (checkpoint_frames() > RETAIN_FRAMES_MAX)
        retention_put_off(&store->retention, now_us);
    else
        r = retention_run(&store->retention, clock_now(), gone, &count, error);
    for (int i = 0; !r && i < count; i++)
        r = news_endpoint(&store->news, gone[i], error);
    if (freed != store->retention.space.pages_freed && store->retention.stage == RETENTION_RESTING)
        checkpoint_force(&store->checkpoint); /* which is what makes the file smaller */
    return r;
}

static int64_t sooner_us(int64_t until_us, int64_t due_at_ms) {
    return due_at_ms < until_us / 1000 ? due_at_ms * 1000 : until_us;
}

static bool store_log_was_written(struct store *store) {
    bool written = store->watch.log_writes != store->log_writes;
    store->log_writes = store->watch.log_writes;
    return written;
}

/* What was written until now can't be told from what we have written. */
static void store_leave_out_own_writes(struct store *store, int64_t now_us) {
    watch_read(&store->watch, now_us);
    if (store_log_was_written(store))
        heads_up_own_write(&store->heads_up, now_us);
}

static void store_give_heads_up(struct store *store) {
    if (!store_log_was_written(store) || !store->settings.heads_ups ||
        !heads_up_due(&store->heads_up, store->watch.event_at_us))
        return;
    exchange_reply(&store->exchange, &(struct store_reply){.kind = STORE_HEADS_UP});
    exchange_tell(&store->exchange);
}

/* Sleeps until there is something to do. */
static void store_sleep(struct store *store) {
    int64_t now_us = clock_mono_us();
    store_leave_out_own_writes(store, now_us);
    int64_t until_us = store->watch.look_at_us;
    until_us = sooner_us(until_us, sealer_due_at(&store->sealer));
    until_us = sooner_us(until_us, presence_due_at(&store->presence, &store->watch));
    until_us = sooner_us(until_us, checkpoint_due_at(&store->checkpoint));
    until_us = sooner_us(until_us, vitals_due_at(store->settings.vitals));
    if (store_retain_at(store) < until_us)
        until_us = store_retain_at(store);
    if (unwritten_commit_at(&store->unwritten) < until_us)
        until_us = unwritten_commit_at(&store->unwritten);
    if (store->news.more_fresh || store->more_requests || !store->news.booted)
        until_us = now_us;
    watch_wait(&store->watch, &store->exchange.waker, until_us - now_us);
    store_give_heads_up(store);
}

/* That it is the right database is known before the daemon says that it is ready. */
static int store_turn(struct store *store, struct error *error) {
    int r = presence_check(&store->presence, &store->database, store->checkpoint.wal_path,
                           &store->watch, clock_now().mono_ms, error);
    if (!r)
        r = store_take_requests(store, error);
    if (!r && (watch_due(&store->watch, clock_mono_us()) || store->news.more_fresh)) {
        r = store_look(store, error);
        if (r == ERROR_BUSY)
            r = 0; /* at a moment when the log was being recovered: the next look sees it */
    }
    if (!r)
        r = store_boot(store, error);
    exchange_tell(&store->exchange);
    struct now now = clock_now();
    if (!r)
        r = news_locked(&store->news, now.wall_ms, error);
    if (!r)
        r = store_seal(store, now.mono_ms, error);
    if (!r)
        r = checkpoint_run(&store->checkpoint, now.mono_ms, error);
    if (!r)
        r = store_retain(store, error);
    if (!r)
        r = vitals_look(store->settings.vitals, &store->database, now.mono_ms, error);
    exchange_tell(&store->exchange);
    atomic_fetch_add(&store->heartbeat, 1);
    return r;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Whether opening, which may take long when the database is migrated, is still wanted. */
static bool store_goes_on(void *context) {
    struct store *store = context;
    atomic_fetch_add(&store->heartbeat, 1);
    return !atomic_load(&store->give_up);
}

static int store_open(struct store *store, struct error *error) {
    const struct store_settings *settings = &store->settings;
    const struct database_options options = {
        .cache_bytes = settings->cache_bytes, .go_on = store_goes_on, .context = store};
    int r = database_open_with(&store->database, settings->path, DATABASE_DAEMON, &options, error);
    if (!r)
        r = checkpoint_open(&store->checkpoint, &store->database, error);
    if (!r) {
        watch_open(&store->watch, store->database.file);
        r = writer_open(&store->writer, &store->database, error);
    }
    if (!r)
        r = store_limits(store, settings->max_pending, settings->max_payload_bytes, error);
    if (!r)
        r = store_prove(store, error);
    if (!r)
        r = sealer_open(&store->sealer, &store->database, &store->keys, error);
    if (!r)
        r = queue_open(&store->queue, &store->database, &store->sealer.keys, error);
    if (!r)
        r = news_open(&store->news, error);
    if (!r)
        r = retention_open(&store->retention, &store->database, &settings->retain, error);
    return r;
}

/* After a failure of the disk nobody knows what is on it: nothing more is written then, and nothing
 * copied from the log, which the next start checks before it reads. */
static void store_close(struct store *store, int r) {
    struct error ignored = {0};
    bool broken = r == ERROR_DISK || r == ERROR_DAMAGED;
    if (!broken && store->writer.database && writer_clear_gates(&store->writer, &ignored))
        log_line(LEVEL_WARNING, "%s", ignored.text); /* the end comes all the same */
    watch_close(&store->watch);
    if (broken)
        database_abandon(&store->database);
    else
        checkpoint_finish(&store->checkpoint);
    writer_close(&store->writer);
    sealer_close(&store->sealer);
    queue_close(&store->queue);
    retention_close(&store->retention);
    database_close(&store->database);
    checkpoint_close(&store->checkpoint);
}

/* However long its disk is full, read-only or away: whoever gave up would be started again. */
static int store_start(struct store *store, struct error *error) {
    struct patience patience = patience_begin();
    int r;
    patience.starting = true;
    while ((r = store_open(store, error))) {
        store_close(store, r);
        if (!store_may_retry(store, &patience, r, error))
            break;
    }
    seal_keys_wipe(&store->keys);
    if (!r) {
        patience_end(&patience);
        announcement_log(&store->database);
    }
    return r;
}

static int store_serve_all(struct store *store, struct error *error) {
    int r = store_start(store, error);
    /* All that was asked for before the stop is carried out. */
    while (!r && !(atomic_load(&store->stopping) && !store->unwritten.count &&
                   channel_drained(store->exchange.requests))) {
        r = store_turn(store, error);
        if (!r && !atomic_load(&store->stopping))
            store_sleep(store);
    }
    return r;
}

static void store_drop_requests(struct store *store) {
    exchange_end(&store->exchange);
    unwritten_drop(&store->unwritten);
}

static void store_run(struct task *task, void *context) {
    struct store *store = context;
    store->task = task;
    int r = store_serve_all(store, &store->error);
    /* A stop that may not wait is no failure, whatever it would have had to wait for. */
    bool gave_up = atomic_load(&store->give_up) &&
                   (patience_helps(r, !store->database.handle) || r == ERROR_STOPPED);
    if (store->unwritten.count && (!r || gave_up))
        log_line(LEVEL_WARNING,
                 "%s; stopped without writing %d outcomes: those deliveries are repeated",
                 store->error.text, store->unwritten.count);
    if (r && !gave_up)
        task_fail(task, &store->error);
    store_drop_requests(store);
    store_close(store, r);
}

static void store_stop(void *context) {
    struct store *store = context;
    atomic_store(&store->stopping, true);
    exchange_stop(&store->exchange);
}

/* ---- the owner's side ------------------------------------------------------------------------ */

struct store *store_new(const struct store_settings *settings, void (*wake)(void *context),
                        void *context) {
    struct store *store = new (struct store);
    store->settings = *settings;
    if (settings->keys)
        store->keys = *settings->keys;
    store->watch.fd = -1;
    exchange_open(&store->exchange, (size_t)settings->max_requests, wake, context);
    store->news = (struct news){.queue = &store->queue,
                                .exchange = &store->exchange,
                                .offers = settings->offers,
                                .may_retry = store_may_retry,
                                .context = store};
    return store;
}

void store_free(struct store *store) {
    if (!store)
        return;
    exchange_close(&store->exchange);
    news_free(&store->news);
    free(store);
}

struct task_definition store_task(struct store *store) {
    return (struct task_definition){"store", store_run, store_stop, store};
}

void store_give_up_waiting(struct store *store) {
    atomic_store(&store->give_up, true);
}

uint64_t store_heartbeat(struct store *store) {
    return atomic_load(&store->heartbeat);
}

void store_nudge(struct store *store) {
    waker_wake(&store->exchange.waker);
}
