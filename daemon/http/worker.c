#include "outhook/http/worker.h"

#include "outhook/base/list.h"
#include "outhook/base/memory.h"
#include "outhook/http/call.h"
#include "outhook/http/rehearsal.h"
#include "outhook/http/socket_set.h"
#include "outhook/http/transfer.h"
#include "outhook/runtime/resource.h"
#include "outhook/runtime/waker.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum {
    WORKER_NAME_BYTES = 16,
    /* Calls to receivers that answer at once need no company: more of them at a time are no faster,
     * and take more memory than the processor has near. So calls that are younger than this are no
     * more than so many; a receiver that takes longer leaves its place to the next call. */
    YOUNG_MAX = 64,
    YOUNG_MS = 6,
};

struct worker {
    char name[WORKER_NAME_BYTES];
    int connections;
    struct channel *calls, *done;
    atomic_bool stopping, expecting;
    atomic_uint_fast64_t heartbeat;

    struct waker waker;

    /* The worker's thread only. */
    uv_loop_t loop;
    uv_poll_t wake;
    uv_timer_t timer;
    struct socket_set sockets;
    CURLM *multi;
    struct rehearsal *rehearsal;
    bool rehearses;               /* in this turn of the loop */
    struct list young, old, idle; /* transfers: those under way, by their age, and the others */
    int n_young;
    bool calls_wait;  /* as there are enough young ones */
    uv_timer_t aging; /* until one of them no longer is */
    uv_prepare_t before_sleep;
    bool act_at_once; /* libcurl wants to be called as soon as it can be */
    bool gave_back;   /* since the loop last slept */
};

/* ---- calls ----------------------------------------------------------------------------------- */

static void worker_give_back(struct worker *worker, struct http_call *call) {
    /* The channel has room for every call there can be; it is closed only after all workers ended.
     */
    if (channel_post_wait(worker->done, call) != CHANNEL_SENT)
        http_call_free(call);
    worker->gave_back = true;
}

/* All that ended in one turn wakes the owner once. */
static void worker_tell(struct worker *worker) {
    if (worker->gave_back)
        channel_ring(worker->done);
    worker->gave_back = false;
}

static struct transfer *worker_idle_transfer(struct worker *worker) {
    struct list *link = list_pop(&worker->idle);
    return link ? container_of(link, struct transfer, link) : transfer_new(&worker->sockets);
}

static void worker_start_call(struct worker *worker, struct http_call *call) {
    struct transfer *transfer = worker_idle_transfer(worker);
    if (!transfer_start(transfer, call)) {
        list_push(&worker->idle, &transfer->link);
        worker_give_back(worker, call);
        return;
    }
    transfer->started_ms = uv_now(&worker->loop);
    transfer->young = true;
    worker->n_young++;
    list_push(&worker->young, &transfer->link);
    curl_multi_add_handle(worker->multi, transfer->easy);
}

static void worker_end_call(struct worker *worker, struct transfer *transfer, CURLcode code) {
    struct http_call *call = transfer->call;
    curl_multi_remove_handle(worker->multi, transfer->easy);
    transfer_finish(transfer, code);
    worker->n_young -= transfer->young;
    list_remove(&transfer->link);
    list_push_front(&worker->idle, &transfer->link);
    worker_give_back(worker, call);
}

static void worker_collect(struct worker *worker) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(worker->multi, &left))) {
        struct transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message dies with the handle's removal */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        worker_end_call(worker, transfer, code);
    }
}

/* ---- starting -------------------------------------------------------------------------------- */

static void worker_age(struct worker *worker) {
    struct list *link;
    uint64_t now_ms = uv_now(&worker->loop);
    while ((link = list_first(&worker->young))) {
        struct transfer *transfer = container_of(link, struct transfer, link);
        if (transfer->started_ms + YOUNG_MS > now_ms)
            break;
        transfer->young = false;
        worker->n_young--;
        list_remove(link);
        list_push(&worker->old, link);
    }
}

static void worker_start_calls(struct worker *worker) {
    void *batch[YOUNG_MAX];
    size_t count, room;
    worker->calls_wait = true;
    while (worker->calls_wait && (room = (size_t)(YOUNG_MAX - worker->n_young))) {
        count = channel_receive(worker->calls, batch, room);
        worker->calls_wait = count == room;
        for (size_t i = 0; i < count; i++)
            worker_start_call(worker, batch[i]);
    }
}

/* Goes through what a call takes, up to the point at which libcurl would begin with it. */
static void worker_rehearse(struct worker *worker) {
    if (list_first(&worker->young) || list_first(&worker->old))
        return; /* who has calls needs none */
    struct transfer *transfer = worker_idle_transfer(worker);
    if (transfer_start(transfer, rehearsal_call(worker->rehearsal))) {
        curl_multi_add_handle(worker->multi, transfer->easy);
        curl_multi_remove_handle(worker->multi, transfer->easy);
        transfer_withdraw(transfer);
    }
    list_push_front(&worker->idle, &transfer->link);
}

/* Nothing to do but to wake the loop. */
static void worker_on_aging(uv_timer_t *aging) {
    (void)aging;
}

/* ---- libcurl's events ------------------------------------------------------------------------ */

static void worker_act(struct worker *worker, curl_socket_t socket, int events) {
    int running;
    worker->act_at_once = false;
    curl_multi_socket_action(worker->multi, socket, events, &running);
    worker_collect(worker);
}

static void worker_on_socket(void *context, curl_socket_t socket, int events) {
    worker_act(context, socket, events);
}

static void worker_on_timer(uv_timer_t *timer) {
    worker_act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* Called in each turn of the loop, after the events of the last one. What was started is sent here
 * already: the loop would come to it after one more look for events only. */
static void worker_on_before_sleep(uv_prepare_t *before_sleep) {
    struct worker *worker = before_sleep->data;
    worker_age(worker);
    if (worker->calls_wait)
        worker_start_calls(worker);
    if (worker->act_at_once)
        worker_act(worker, CURL_SOCKET_TIMEOUT, 0);
    if (worker->rehearses)
        worker_rehearse(worker);
    worker->rehearses = false;
    if (worker->calls_wait && !uv_is_active((uv_handle_t *)&worker->aging))
        uv_timer_start(&worker->aging, worker_on_aging,
                       worker->n_young < YOUNG_MAX ? 0 : YOUNG_MS / 2, 0);
    worker_tell(worker);
}

static int worker_want_socket(CURL *easy, curl_socket_t socket, int what, void *context,
                              void *ignored) {
    struct worker *worker = context;
    struct transfer *transfer = NULL;
    (void)ignored;
    if (what != CURL_POLL_REMOVE)
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    if (transfer) /* not one of libcurl's own handles */
        transfer->socket = socket;
    socket_set_want(&worker->sockets, socket, what);
    return 0;
}

/* libcurl may not be called from here. */
static int worker_want_timer(CURLM *multi, long timeout_ms, void *context) {
    struct worker *worker = context;
    (void)multi;
    if (timeout_ms < 0) {
        worker->act_at_once = false;
        uv_timer_stop(&worker->timer);
        return 0;
    }
    worker->act_at_once = !timeout_ms;
    uv_update_time(&worker->loop);
    uv_timer_start(&worker->timer, worker_on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void worker_stop_loop(struct worker *worker) {
    socket_set_close(&worker->sockets);
    uv_close((uv_handle_t *)&worker->wake, NULL);
    uv_close((uv_handle_t *)&worker->before_sleep, NULL);
    uv_close((uv_handle_t *)&worker->aging, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
}

static void worker_give_up(struct worker *worker, struct list *transfers) {
    list_for_each_safe (link, transfers) {
        struct transfer *transfer = container_of(link, struct transfer, link);
        struct http_call *call = transfer->call;
        curl_multi_remove_handle(worker->multi, transfer->easy);
        transfer_abort(transfer);
        list_remove(link);
        list_push(&worker->idle, link);
        worker_give_back(worker, call);
    }
}

static void worker_give_up_calls(struct worker *worker) {
    void *waiting;
    worker_give_up(worker, &worker->old);
    worker_give_up(worker, &worker->young);
    while (channel_receive(worker->calls, &waiting, 1)) {
        struct http_call *call = waiting;
        call->outcome.verdict = VERDICT_ABORTED;
        worker_give_back(worker, call);
    }
    worker->n_young = 0;
    worker->calls_wait = worker->rehearses = false;
}

static void worker_on_wake(uv_poll_t *wake, int status, int events) {
    struct worker *worker = wake->data;
    (void)status, (void)events;
    waker_take(&worker->waker);
    atomic_fetch_add(&worker->heartbeat, 1);
    worker->calls_wait = true;
    worker->rehearses = atomic_exchange(&worker->expecting, false);
    if (atomic_load(&worker->stopping)) {
        worker_give_up_calls(worker);
        worker_tell(worker);
        worker_stop_loop(worker);
    }
}

static void worker_open(struct worker *worker) {
    worker->rehearsal = rehearsal_new();
    worker->multi = curl_multi_init();
    if (!worker->multi)
        memory_exhausted();
    curl_multi_setopt(worker->multi, CURLMOPT_SOCKETFUNCTION, worker_want_socket);
    curl_multi_setopt(worker->multi, CURLMOPT_SOCKETDATA, worker);
    curl_multi_setopt(worker->multi, CURLMOPT_TIMERFUNCTION, worker_want_timer);
    curl_multi_setopt(worker->multi, CURLMOPT_TIMERDATA, worker);
    curl_multi_setopt(worker->multi, CURLMOPT_MAXCONNECTS, (long)worker->connections);
    socket_set_open(&worker->sockets, &worker->loop, worker_on_socket, worker);
    uv_timer_init(&worker->loop, &worker->timer);
    worker->timer.data = worker;
    uv_timer_init(&worker->loop, &worker->aging);
    uv_prepare_init(&worker->loop, &worker->before_sleep);
    worker->before_sleep.data = worker;
    uv_prepare_start(&worker->before_sleep, worker_on_before_sleep);
    resource_check(uv_poll_init(&worker->loop, &worker->wake, worker->waker.fd),
                   "a worker's wake-up");
    worker->wake.data = worker;
    uv_poll_start(&worker->wake, UV_READABLE, worker_on_wake);
}

static void worker_close(struct worker *worker) {
    struct list *link;
    while ((link = list_pop(&worker->idle)))
        transfer_free(container_of(link, struct transfer, link));
    rehearsal_free(worker->rehearsal);
    curl_multi_cleanup(
        worker->multi); /* says goodbye to its sockets through worker_want_socket() */
    socket_set_free(&worker->sockets);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&worker->loop))
        abort(); /* a handle was forgotten */
}

static void worker_run(struct task *task, void *context) {
    struct worker *worker = context;
    resource_check(uv_loop_init(&worker->loop), "a worker's loop");
    worker_open(worker);
    task_ready(task);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    worker_close(worker);
}

void worker_nudge(struct worker *worker) {
    waker_wake(&worker->waker);
}

void worker_expect(struct worker *worker) {
    atomic_store(&worker->expecting, true);
    waker_wake(&worker->waker);
}

static void worker_wake(void *context) {
    worker_nudge(context);
}

static void worker_stop(void *context) {
    struct worker *worker = context;
    atomic_store(&worker->stopping, true);
    channel_close(worker->calls);
    worker_nudge(worker);
}

/* ---- the owner's side ------------------------------------------------------------------------ */

struct worker *worker_new(int number, int capacity, int connections, struct channel *done) {
    struct worker *worker = new (struct worker);
    snprintf(worker->name, sizeof worker->name, "worker%d", number);
    worker->connections = connections;
    worker->done = done;
    worker->calls = channel_new((size_t)capacity, worker_wake, worker);
    list_init(&worker->young);
    list_init(&worker->old);
    list_init(&worker->idle);
    waker_open(&worker->waker);
    return worker;
}

void worker_free(struct worker *worker) {
    if (!worker)
        return;
    channel_free(worker->calls);
    waker_close(&worker->waker);
    free(worker);
}

struct task_definition worker_task(struct worker *worker) {
    return (struct task_definition){worker->name, worker_run, worker_stop, worker};
}

void worker_send(struct worker *worker, struct http_call *call) {
    if (channel_post(worker->calls, call) == CHANNEL_SENT)
        return;
    call->outcome.verdict = VERDICT_ABORTED;
    if (channel_send_wait(worker->done, call) != CHANNEL_SENT)
        http_call_free(call);
}

void worker_ring(struct worker *worker) {
    channel_ring(worker->calls);
}

uint64_t worker_heartbeat(struct worker *worker) {
    return atomic_load(&worker->heartbeat);
}
