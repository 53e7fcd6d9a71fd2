#include "outhook/cli/receiver.h"

#include "outhook/base/buffer.h"
#include "outhook/base/clock.h"
#include "outhook/base/list.h"
#include "outhook/base/map.h"
#include "outhook/base/memory.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECEIVER_SEEN_MAX = 100000, /* webhook-ids that are remembered for fail_first */
    RECEIVER_EVENTS = 64,
    RECEIVER_FILES_SPARED = 64, /* open files that connections leave to the rest */
    RECEIVER_CONNECTIONS_MAX = 20000,
};

/* How often a webhook-id, or a connection's requests without one, came already. */
struct seen {
    struct list link; /* oldest first */
    int64_t key;
    int64_t count;
};

/* What MHD keeps for us with a request. */
struct call {
    struct receiver_request request;
    struct buffer body;
    struct receiver *receiver;
    struct MHD_Connection *connection;
    struct list link; /* among the waiting, while suspended */
    int64_t due_mono_ms;
    int fd;
    bool begun, shown, suspended, ended;
};

struct receiver {
    struct MHD_Daemon *daemon;
    struct receiver_manners manners;
    receiver_show *show;
    void *context;
    char *url;
    int epoll_fd;
    bool stopping;
    struct list
        waiting;     /* calls that wait for their time, the first due first; hanging ones last */
    struct map seen; /* by a hash of the webhook-id */
    struct list seen_order;
};

/* ---- requests -------------------------------------------------------------------------------- */

const char *receiver_header(const struct receiver_request *request, const char *name) {
    for (size_t i = 0; i < request->header_count; i++)
        if (!strcasecmp(request->headers[i].name, name))
            return request->headers[i].value;
    return NULL;
}

static enum MHD_Result call_add_header(void *context, enum MHD_ValueKind kind, const char *name,
                                       const char *value) {
    (void)kind;
    struct receiver_request *request = context;
    request->headers =
        memory_resize(request->headers, request->header_count + 1, sizeof *request->headers);
    request->headers[request->header_count++] =
        (struct receiver_header){memory_copy_string(name), memory_copy_string(value ? value : "")};
    return MHD_YES;
}

/* MHD calls this first, with the path before it decodes it. */
static void *call_new(void *context, const char *uri, struct MHD_Connection *connection) {
    struct call *call = new (struct call);
    call->receiver = context;
    call->connection = connection;
    call->request.path = memory_copy_string(uri);
    list_init(&call->link);
    return call;
}

static void call_free(void *context, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode why) {
    (void)context, (void)connection, (void)why;
    struct call *call = *slot;
    if (!call)
        return;
    list_remove(&call->link);
    for (size_t i = 0; i < call->request.header_count; i++) {
        free(call->request.headers[i].name);
        free(call->request.headers[i].value);
    }
    free(call->request.headers);
    free(call->request.method);
    free(call->request.path);
    buffer_free(&call->body);
    free(call);
    *slot = NULL;
}

/* ---- how to answer --------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: two webhook-ids that share one would share their count, and no more. */
static int64_t seen_key(const char *id) {
    uint64_t hash = 14695981039346656037U;
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 1099511628211U;
    return (int64_t)hash;
}

static void seen_forget_oldest(struct receiver *receiver) {
    struct seen *oldest = container_of(receiver->seen_order.next, struct seen, link);
    list_remove(&oldest->link);
    map_remove(&receiver->seen, oldest->key);
    free(oldest);
}

/* Counts one more of an id, and returns how many there were. */
static int64_t seen_before(struct receiver *receiver, int64_t key) {
    struct seen *seen = map_get(&receiver->seen, key);
    if (!seen) {
        if (receiver->seen.count >= RECEIVER_SEEN_MAX)
            seen_forget_oldest(receiver);
        seen = new (struct seen);
        seen->key = key;
        list_init(&seen->link);
        list_push(&receiver->seen_order, &seen->link);
        map_put(&receiver->seen, key, seen);
    }
    return seen->count++;
}

/* Requests without a webhook-id are counted by connection, in its own context. */
static int64_t call_before(struct call *call) {
    const char *id = receiver_header(&call->request, "webhook-id");
    if (id)
        return seen_before(call->receiver, seen_key(id));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    int64_t *count = info ? info->socket_context : NULL;
    return count ? (*count)++ : 0;
}

static int call_status(struct call *call) {
    const struct receiver_manners *manners = &call->receiver->manners;
    if (manners->hang)
        return 0;
    if (manners->fail_first && call_before(call) < manners->fail_first)
        return 500;
    return manners->status;
}

static enum MHD_Result call_answer(const struct call *call) {
    int status = call->request.status;
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", status);
    bool empty = status == 204 || status == 304;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(empty ? 0 : (size_t)length, text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    int64_t retry_after = call->receiver->manners.retry_after_s;
    if (retry_after >= 0 && (status < 200 || status > 299)) {
        snprintf(text, sizeof text, "%" PRId64, retry_after);
        MHD_add_response_header(response, "Retry-After", text);
    }
    if (!empty)
        MHD_add_response_header(response, "Content-Type", "text/plain");
    enum MHD_Result queued = MHD_queue_response(call->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- waiting calls --------------------------------------------------------------------------- */

/* A caller that hangs up while its call hangs has to be noticed, or its socket would stay for good;
 * MHD doesn't look at suspended connections. */
static void call_watch(struct call *call) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    call->fd = info ? info->connect_fd : -1;
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = call};
    if (call->fd >= 0)
        epoll_ctl(call->receiver->epoll_fd, EPOLL_CTL_ADD, call->fd, &event);
}

static void call_suspend(struct call *call) {
    struct receiver *receiver = call->receiver;
    bool hangs = !call->request.status;
    call->due_mono_ms = hangs ? CLOCK_NEVER : clock_now().mono_ms + receiver->manners.delay_ms;
    call->suspended = true;
    call->fd = -1;
    if (hangs)
        call_watch(call);
    list_push(&receiver->waiting, &call->link);
    MHD_suspend_connection(call->connection);
}

/* MHD then asks call_handle() again, which answers, or ends the call. */
static void call_resume(struct call *call, bool ended) {
    if (call->fd >= 0)
        epoll_ctl(call->receiver->epoll_fd, EPOLL_CTL_DEL, call->fd, NULL);
    list_remove(&call->link);
    list_init(&call->link);
    call->suspended = false;
    call->ended = ended;
    MHD_resume_connection(call->connection);
}

static struct call *receiver_first(const struct receiver *receiver) {
    if (list_empty(&receiver->waiting))
        return NULL;
    return container_of(receiver->waiting.next, struct call, link);
}

static void receiver_resume_due(struct receiver *receiver) {
    int64_t now = clock_now().mono_ms;
    struct call *call;
    while ((call = receiver_first(receiver)) && (receiver->stopping || call->due_mono_ms <= now))
        call_resume(call, receiver->stopping);
}

/* ---- MHD's callbacks ------------------------------------------------------------------------- */

static void call_keep_body(struct call *call, const char *bytes, size_t length) {
    size_t most = call->receiver->manners.body_bytes_kept;
    size_t room = most > call->body.length ? most - call->body.length : 0;
    call->request.body_bytes += (int64_t)length;
    buffer_append(&call->body, bytes, length < room ? length : room);
}

static void call_show(struct call *call) {
    struct receiver *receiver = call->receiver;
    call->shown = true;
    call->request.received_at = clock_now().wall_ms;
    call->request.body = call->body.data;
    call->request.body_kept = call->body.length;
    call->request.status = call_status(call);
    receiver->show(&call->request, receiver->context);
}

/* Called when the headers are there, for each piece of the body, at its end, and after a resume. */
static enum MHD_Result call_handle(void *context, struct MHD_Connection *connection,
                                   const char *path, const char *method, const char *version,
                                   const char *bytes, size_t *length, void **slot) {
    (void)context, (void)path, (void)version;
    struct call *call = *slot;
    if (!call->begun) {
        call->begun = true;
        call->request.method = memory_copy_string(method);
        MHD_get_connection_values(connection, MHD_HEADER_KIND, call_add_header, &call->request);
        return MHD_YES;
    }
    if (*length) {
        call_keep_body(call, bytes, *length);
        *length = 0;
        return MHD_YES;
    }
    if (call->ended || call->receiver->stopping)
        return MHD_NO;
    if (call->shown)
        return call->suspended ? MHD_YES : call_answer(call);
    call_show(call);
    if (call->request.status && !call->receiver->manners.delay_ms)
        return call_answer(call);
    call_suspend(call);
    return MHD_YES;
}

static void connection_notice(void *context, struct MHD_Connection *connection, void **slot,
                              enum MHD_ConnectionNotificationCode what) {
    (void)context, (void)connection;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = new (int64_t);
    } else {
        free(*slot);
        *slot = NULL;
    }
}

/* ---- starting -------------------------------------------------------------------------------- */

static int socket_refuse(const char *address, int port, int fd, struct error *error) {
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (why == EADDRINUSE)
        return error_set(error, ERROR_FAILED,
                         "port %d of %s is in use: name another one, or 0 for any that is free",
                         port, address);
    return error_set(error, ERROR_FAILED, "can't listen on port %d of %s: %s", port, address,
                     strerror(why));
}

static int socket_listen(const char *address, int port, int *listen_fd, struct error *error) {
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(address, service, &hints, &found) != 0)
        return error_set(error, ERROR_USAGE,
                         "%.100s is no address: give one such as 127.0.0.1, 0.0.0.0 or ::1",
                         address);
    int yes = 1, r = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
        r = socket_refuse(address, port, fd, error);
    freeaddrinfo(found);
    *listen_fd = fd;
    return r;
}

static char *socket_url(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "", *url;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        abort(); /* it has just been bound */
    bool v6 = address.ss_family == AF_INET6;
    url = memory_print("http://%s%s%s:%s/", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return url;
}

/* As many as there may be open files. */
static unsigned connection_limit(void) {
    struct rlimit files = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    rlim_t most = files.rlim_cur > 2 * RECEIVER_FILES_SPARED
                      ? files.rlim_cur - RECEIVER_FILES_SPARED
                      : RECEIVER_FILES_SPARED;
    return most < RECEIVER_CONNECTIONS_MAX ? (unsigned)most : RECEIVER_CONNECTIONS_MAX;
}

static int receiver_watch(struct receiver *receiver, int fd, void *mark) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};
    return epoll_ctl(receiver->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int receiver_start(struct receiver *receiver, int listen_fd, struct error *error) {
    receiver->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, call_handle, receiver,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, connection_limit(),
        MHD_OPTION_URI_LOG_CALLBACK, call_new, receiver, MHD_OPTION_NOTIFY_COMPLETED, call_free,
        NULL, MHD_OPTION_NOTIFY_CONNECTION, connection_notice, NULL, MHD_OPTION_END);
    if (!receiver->daemon) {
        close(listen_fd);
        return error_set(error, ERROR_FAILED, "can't start the receiver: %s", strerror(errno));
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(receiver->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || receiver->epoll_fd < 0 || receiver_watch(receiver, info->epoll_fd, NULL) < 0)
        return error_set(error, ERROR_FAILED, "can't start the receiver: %s", strerror(errno));
    return 0;
}

int receiver_new(struct receiver **receiver, const char *address, int port,
                 const struct receiver_manners *manners, receiver_show *show, void *context,
                 struct error *error) {
    int listen_fd = -1;
    *receiver = NULL;
    int r = socket_listen(address, port, &listen_fd, error);
    if (r)
        return r;

    struct receiver *made = new (struct receiver);
    made->manners = *manners;
    made->show = show;
    made->context = context;
    made->url = socket_url(listen_fd);
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    list_init(&made->waiting);
    list_init(&made->seen_order);
    r = receiver_start(made, listen_fd, error);
    if (r)
        receiver_free(made);
    else
        *receiver = made;
    return r;
}

const char *receiver_url(const struct receiver *receiver) {
    return receiver->url;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Until MHD or the first waiting call has something to do; -1: until something comes in. */
static int receiver_timeout_ms(const struct receiver *receiver) {
    MHD_UNSIGNED_LONG_LONG mhd_ms;
    int64_t wait = MHD_get_timeout(receiver->daemon, &mhd_ms) == MHD_YES ? (int64_t)mhd_ms : -1;
    const struct call *first = receiver_first(receiver);
    if (first && first->due_mono_ms != CLOCK_NEVER) {
        int64_t left = first->due_mono_ms - clock_now().mono_ms;
        left = left > 0 ? left : 0;
        wait = wait < 0 || left < wait ? left : wait;
    }
    return wait < 60000 ? (int)wait : 60000;
}

int receiver_run(struct receiver *receiver, int stop_fd, struct error *error) {
    if (receiver_watch(receiver, stop_fd, receiver) < 0)
        return error_set(error, ERROR_FAILED, "can't wait for a signal: %s", strerror(errno));
    while (!receiver->stopping) {
        struct epoll_event events[RECEIVER_EVENTS];
        int count =
            epoll_wait(receiver->epoll_fd, events, RECEIVER_EVENTS, receiver_timeout_ms(receiver));
        if (count < 0 && errno != EINTR)
            return error_set(error, ERROR_FAILED, "can't wait for requests: %s", strerror(errno));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == receiver)
                receiver->stopping = true;
            else if (events[i].data.ptr)
                call_resume(events[i].data.ptr, true);
        }
        receiver_resume_due(receiver);
        MHD_run(receiver->daemon);
    }
    return 0;
}

void receiver_free(struct receiver *receiver) {
    if (!receiver)
        return;
    receiver->stopping = true;
    receiver_resume_due(receiver); /* MHD may not be stopped with suspended connections */
    if (receiver->daemon) {
        MHD_run(receiver->daemon);
        MHD_stop_daemon(receiver->daemon);
    }
    while (!list_empty(&receiver->seen_order))
        seen_forget_oldest(receiver);
    map_free(&receiver->seen);
    if (receiver->epoll_fd >= 0)
        close(receiver->epoll_fd);
    free(receiver->url);
    free(receiver);
}
