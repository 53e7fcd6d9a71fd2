#include "outhook/http/pool.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/http/call.h"
#include "outhook/http/worker.h"
#include "outhook/runtime/channel.h"
#include "outhook/runtime/log.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    DESCRIPTORS_SPARE = 100, /* for the database, the log, name lookups and the like */
    CONNECTIONS_LEAST = 4,   /* a worker keeps at least so many */
    UNEVEN_CALLS = 8, /* this many more than its share are not yet a reason to go elsewhere */
};

struct pool_worker {
    struct worker *worker;
    int in_flight;
    uint64_t heartbeat; /* when last asked */
};

struct pool {
    struct channel *done;
    int count, in_flight;
    struct pool_worker workers[];
};

/* How many connections each worker may keep: twice the calls that there can be, as fewer than are
 * in use makes each call's end close one; and no more than the process may open. */
static int pool_connections(int workers, int max_in_flight) {
    struct rlimit limit;
    int most = max_in_flight * 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= INT_MAX)
        return most;
    int share = ((int)limit.rlim_cur - DESCRIPTORS_SPARE) / workers;
    if (share * workers < max_in_flight)
        log_line(LEVEL_WARNING,
                 "only %d files may be open at once, too few for max_in_flight %d: raise "
                 "LimitNOFILE= or ulimit -n, or lower max_in_flight",
                 (int)limit.rlim_cur, max_in_flight);
    share = share < CONNECTIONS_LEAST ? CONNECTIONS_LEAST : share;
    return share < most ? share : most;
}

struct pool *pool_new(struct task_group *group, int workers, int max_in_flight,
                      void (*wake)(void *context), void *context) {
    struct pool *pool = memory_new(1, sizeof *pool + (size_t)workers * sizeof(struct pool_worker));
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        abort();
    pool->done = channel_new((size_t)max_in_flight, wake, context);
    pool->count = workers;
    int connections = pool_connections(workers, max_in_flight);
    for (int i = 0; i < workers; i++) {
        struct worker *worker = worker_new(i + 1, max_in_flight, connections, pool->done);
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

void pool_send(struct pool *pool, struct http_call *call) {
    call->worker = pool_choose(pool, call);
    pool->workers[call->worker].in_flight++;
    pool->in_flight++;
    worker_send(pool->workers[call->worker].worker, call);
}

int pool_receive(struct pool *pool, struct http_call **calls, int most) {
    int count = 0;
    void *message;
    while (count < most && channel_receive(pool->done, &message, 1)) {
        calls[count] = message;
        pool->workers[calls[count]->worker].in_flight--;
        pool->in_flight--;
        count++;
    }
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
