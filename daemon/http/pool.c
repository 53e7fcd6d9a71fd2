#include "outhook/http/pool.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/http/call.h"
#include "outhook/http/lookup.h"
#include "outhook/http/resolver.h"
#include "outhook/http/worker.h"
#include "outhook/runtime/channel.h"
#include "outhook/runtime/log.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    DESCRIPTORS_SPARE = 100,    /* for the database, the log and the like */
    DESCRIPTORS_PER_LOOKUP = 2, /* one for each family */
    CONNECTIONS_LEAST = 4,      /* a worker keeps at least so many */
    RECEIVE_BATCH = 64,
    EXPECT_TIMES = 16, /* so often a worker expects a call in vain */
    UNEVEN_CALLS = 8,  /* this many more than its share are not yet a reason to go elsewhere */
};

struct pool_worker {
    struct worker *worker;
    int in_flight;
    bool sent_to;       /* since it was last rung for */
    int expect_times;   /* that it still will */
    uint64_t heartbeat; /* when last asked */
};

struct pool {
    struct pool_settings settings;
    struct resolver *resolver;
    bool expecting;    /* since workers were last rung for */
    struct list ended; /* calls that no worker got */
    struct channel *done;
    int count, in_flight;
    struct pool_worker workers[];
};

/* How many connections each worker may keep: twice the calls that there can be, as fewer than are
 * in use makes each call's end close one; and no more than the process may open. */
static int pool_connections(const struct pool_settings *settings) {
    struct rlimit limit;
    int max_in_flight = settings->max_in_flight, most = max_in_flight * 2;
    int spare = DESCRIPTORS_SPARE + DESCRIPTORS_PER_LOOKUP * settings->max_lookups;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= INT_MAX)
        return most;
    int share = ((int)limit.rlim_cur - spare) / settings->workers;
    if (share * settings->workers < max_in_flight)
        log_line(LEVEL_WARNING,
                 "only %d files may be open at once, too few for max_in_flight %d: raise "
                 "LimitNOFILE= or ulimit -n, or lower max_in_flight",
                 (int)limit.rlim_cur, max_in_flight);
    share = share < CONNECTIONS_LEAST ? CONNECTIONS_LEAST : share;
    return share < most ? share : most;
}

static void pool_wake(void *context) {
    struct pool *pool = context;
    pool->settings.wake(pool->settings.context);
}

static void pool_found(void *context, struct resolver_wait *wait, const char *addresses,
                       const char *error);

static struct resolver *pool_resolver(struct pool *pool) {
    const struct resolver_settings settings = {
        .max_lookups = pool->settings.max_lookups,
        .cache_ms = pool->settings.lookup_cache_ms,
        .look = lookup_by_system,
        .answer = pool_found,
        .wake = pool_wake,
        .context = pool,
    };
    return resolver_new(&settings);
}

static void *pool_realloc(void *old, size_t bytes) {
    return memory_resize(old, 1, bytes);
}

static char *pool_strdup(const char *text) {
    return memory_copy_string(text);
}

struct pool *pool_new(struct task_group *group, const struct pool_settings *settings) {
    size_t count = (size_t)settings->workers;
    struct pool *pool = memory_new(1, sizeof *pool + count * sizeof(struct pool_worker));
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, memory_raw, free, pool_realloc, pool_strdup,
                             memory_new))
        abort();
    pool->settings = *settings;
    pool->resolver = pool_resolver(pool);
    list_init(&pool->ended);
    pool->done = channel_new((size_t)settings->max_in_flight, settings->wake, settings->context);
    pool->count = settings->workers;
    int connections = pool_connections(settings);
    for (int i = 0; i < pool->count; i++) {
        struct worker *worker = worker_new(i + 1, settings->max_in_flight, connections, pool->done);
        struct task_definition task = worker_task(worker);
        pool->workers[i].worker = worker;
        task_group_add(group, &task);
    }
    return pool;
}

void pool_free(struct pool *pool) {
    struct http_call *call;
    if (!pool)
        return;
    pool_stop_lookups(pool);
    while (pool_receive(pool, &call, 1))
        http_call_free(call);
    for (int i = 0; i < pool->count; i++)
        worker_free(pool->workers[i].worker);
    channel_free(pool->done);
    free(pool);
    curl_global_cleanup();
}

/* The origin's own worker, or its second choice when that one is overloaded. */
static int pool_choose(const struct pool *pool, const struct http_call *call) {
    uint64_t hash = endpoint_origin_hash(call->endpoint);
    int first = (int)(hash % (uint64_t)pool->count);
    int second = (int)((hash >> 32) % (uint64_t)pool->count);
    int share = pool->in_flight / pool->count;
    bool overloaded = pool->workers[first].in_flight > share + share / 2 + UNEVEN_CALLS;
    return overloaded && pool->workers[second].in_flight < pool->workers[first].in_flight ? second
                                                                                          : first;
}

static void pool_send_to_worker(struct pool *pool, struct http_call *call) {
    call->worker = pool_choose(pool, call);
    pool->workers[call->worker].in_flight++;
    pool->in_flight++;
    pool->workers[call->worker].sent_to = true;
    worker_send(pool->workers[call->worker].worker, call);
}

/* ---- before a worker gets it ----------------------------------------------------------------- */

/* The call ends here; the owner may be in the middle of something, so it is woken. */
static void pool_end(struct pool *pool, struct http_call *call, enum verdict verdict, char *error) {
    call->outcome.verdict = verdict;
    call->outcome.error = error;
    list_push(&pool->ended, &call->link);
    pool->settings.wake(pool->settings.context);
}

/* What is connected to, and so looked up. */
static const char *pool_host(const struct http_call *call) {
    return call->policy->proxy ? call->policy->proxy->host : call->target->host;
}

static bool pool_host_is_name(const struct http_call *call) {
    return call->policy->proxy ? call->policy->proxy->is_name : call->target->is_name;
}

static void pool_end_unresolved(struct pool *pool, struct http_call *call, const char *why) {
    char *error;
    call->outcome.duration_ms = call->waited_ms;
    error = memory_print("can't connect: the lookup of %.100s failed after %" PRId64 " ms: %s",
                         pool_host(call), call->waited_ms, why);
    pool_end(pool, call, VERDICT_UNREACHABLE, error);
}

/* As resolver_settings says. */
static void pool_found(void *context, struct resolver_wait *wait, const char *addresses,
                       const char *error) {
    struct http_call *call = container_of(wait, struct http_call, wait);
    call->waited_ms = clock_now().mono_ms - call->asked_at;
    if (!addresses) {
        pool_end_unresolved(context, call, error);
        return;
    }
    call->addresses = memory_copy_string(addresses);
    pool_send_to_worker(context, call);
}

static void pool_look_up(struct pool *pool, struct http_call *call) {
    int64_t connect_ms = http_call_connect_timeout_ms(call), total_ms = http_call_timeout_ms(call);
    call->asked_at = clock_now().mono_ms;
    resolver_ask(pool->resolver, pool_host(call), &call->wait,
                 call->asked_at + (connect_ms < total_ms ? connect_ms : total_ms), call->asked_at);
}

/* Why a host may not be handed to a proxy, which is the caller's to free; NULL: it may, as a name,
 * of which the proxy alone knows where it leads, or as an address. localhost would be the proxy's
 * own.
 */
static char *pool_refusal(const struct http_call *call) {
    struct sockaddr_storage address;
    const char *host = call->target->host, *refusal, *remedy;
    char *error;
    if (call->target->is_name) {
        refusal = target_is_ambiguous(call->target) ? "the proxy may take it for an address" : NULL;
        remedy = "; write it as one";
    } else {
        target_address(call->target, &address);
        refusal =
            address_policy_refusal(&call->policy->addresses, (const struct sockaddr *)&address,
                                   call->endpoint->allow_private);
        remedy = address_policy_remedy(refusal);
    }
    if (!refusal)
        return NULL;
    error = memory_print("%s is refused: %s%s", host, refusal, remedy);
    return error;
}

static void pool_end_refused(struct pool *pool, struct http_call *call, char *error) {
    call->outcome.phase = PHASE_CONNECT;
    pool_end(pool, call, VERDICT_BLOCKED, error);
}

void pool_send(struct pool *pool, struct http_call *call) {
    struct error error = {0};
    char *refusal;
    list_init(&call->link);
    call->outcome.started_at = clock_now().wall_ms;
    call->outcome.retry_after_ms = -1;
    if (!(call->target = target_of(call->delivery->endpoint, &error)))
        pool_end(pool, call, VERDICT_INVALID, memory_copy_string(error.text));
    else if (call->policy->proxy && (refusal = pool_refusal(call)))
        pool_end_refused(pool, call, refusal);
    else if (pool_host_is_name(call))
        pool_look_up(pool, call);
    else
        pool_send_to_worker(pool, call);
}

/* One that is awake, and one that hasn't had a call for long, expects none. */
static void pool_ring_for(const struct pool *pool, struct pool_worker *worker) {
    if (worker->sent_to) {
        worker->expect_times = EXPECT_TIMES;
        worker_ring(worker->worker);
    } else if (pool->expecting && !worker->in_flight && worker->expect_times) {
        worker->expect_times--;
        worker_expect(worker->worker);
    }
    worker->sent_to = false;
}

void pool_ring(struct pool *pool) {
    for (int i = 0; i < pool->count; i++)
        pool_ring_for(pool, &pool->workers[i]);
    pool->expecting = false;
}

void pool_expect(struct pool *pool) {
    pool->expecting = true;
}

void pool_turn(struct pool *pool, int64_t now_mono_ms) {
    resolver_turn(pool->resolver, now_mono_ms);
}

int64_t pool_wake_at(const struct pool *pool) {
    return resolver_wake_at(pool->resolver);
}

void pool_stop_lookups(struct pool *pool) {
    struct resolver_wait *wait;
    while (pool->resolver && (wait = resolver_give_up(pool->resolver)))
        pool_end(pool, container_of(wait, struct http_call, wait), VERDICT_ABORTED, NULL);
    resolver_free(pool->resolver);
    pool->resolver = NULL;
}

void pool_set_lookup_cache(struct pool *pool, int64_t cache_ms) {
    resolver_set_cache(pool->resolver, cache_ms);
}

/* ---- after ----------------------------------------------------------------------------------- */

int pool_receive(struct pool *pool, struct http_call **calls, int most) {
    int count = 0;
    struct list *link;
    void *messages[RECEIVE_BATCH];
    while (count < most && (link = list_pop(&pool->ended)))
        calls[count++] = container_of(link, struct http_call, link);
    int room = most - count < RECEIVE_BATCH ? most - count : RECEIVE_BATCH;
    int got = (int)channel_receive(pool->done, messages, (size_t)room);
    for (int i = 0; i < got; i++) {
        calls[count] = messages[i];
        pool->workers[calls[count++]->worker].in_flight--;
    }
    pool->in_flight -= got;
    return count;
}

bool pool_alive(struct pool *pool) {
    bool alive = true;
    for (int i = 0; i < pool->count; i++) {
        uint64_t heartbeat = worker_heartbeat(pool->workers[i].worker);
        alive = alive && heartbeat != pool->workers[i].heartbeat;
        pool->workers[i].heartbeat = heartbeat;
        worker_nudge(pool->workers[i].worker);
    }
    return alive;
}
