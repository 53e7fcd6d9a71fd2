#include "outhook/http/socket_set.h"

#include "outhook/base/memory.h"
#include "outhook/runtime/resource.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 128, WATCHES_LEAST = 64 };

struct socket_watch {
    uint32_t wanted, registered; /* events; 0: none, not */
};

/* ---- what is wanted -------------------------------------------------------------------------- */

static struct socket_watch *socket_set_watch(struct socket_set *set, curl_socket_t socket) {
    if (socket >= set->watch_count) {
        int count = set->watch_count ? set->watch_count : WATCHES_LEAST;
        while (count <= socket)
            count *= 2;
        set->watches = memory_resize(set->watches, (size_t)count, sizeof *set->watches);
        memset(set->watches + set->watch_count, 0,
               (size_t)(count - set->watch_count) * sizeof *set->watches);
        set->watch_count = count;
    }
    return &set->watches[socket];
}

/* A socket that can't be registered has no event: its call runs into the timeout, which is the
 * honest outcome. */
static void socket_set_register(struct socket_set *set, curl_socket_t socket,
                                struct socket_watch *watch) {
    struct epoll_event event = {.events = watch->wanted, .data.fd = socket};
    int operation = watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int r = epoll_ctl(set->fd, operation, socket, &event);
    if (r && errno == EEXIST)
        r = epoll_ctl(set->fd, EPOLL_CTL_MOD, socket, &event);
    else if (r && errno == ENOENT)
        r = epoll_ctl(set->fd, EPOLL_CTL_ADD, socket, &event);
    watch->registered = r ? 0 : watch->wanted;
}

void socket_set_opened(struct socket_set *set, curl_socket_t socket) {
    *socket_set_watch(set, socket) = (struct socket_watch){0};
}

void socket_set_want(struct socket_set *set, curl_socket_t socket, int what) {
    struct socket_watch *watch = socket_set_watch(set, socket);
    watch->wanted = what == CURL_POLL_REMOVE ? 0
                                             : (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                                                   (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (watch->wanted && watch->wanted != watch->registered)
        socket_set_register(set, socket, watch);
}

/* ---- events ---------------------------------------------------------------------------------- */

static int curl_events(uint32_t events) {
    int flags = (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
    return events & EPOLLERR ? CURL_CSELECT_ERR | CURL_CSELECT_IN | CURL_CSELECT_OUT : flags;
}

static void socket_set_tell(struct socket_set *set, curl_socket_t socket, uint32_t events) {
    struct socket_watch *watch = socket_set_watch(set, socket);
    if (watch->wanted) {
        set->ready(set->context, socket, curl_events(events));
    } else if (watch->registered) { /* of a connection that is kept, which nobody reads now */
        epoll_ctl(set->fd, EPOLL_CTL_DEL, socket, NULL);
        watch->registered = 0;
    }
}

/* An event may be of a socket that an earlier one of this turn has closed, and even replaced:
 * libcurl looks for itself whether there is anything. */
static void socket_set_on_event(uv_poll_t *poll, int status, int ignored) {
    struct socket_set *set = poll->data;
    struct epoll_event events[EVENTS_A_TURN];
    (void)status, (void)ignored;
    int count = epoll_wait(set->fd, events, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        socket_set_tell(set, events[i].data.fd, events[i].events);
}

/* ---- life ------------------------------------------------------------------------------------ */

void socket_set_open(struct socket_set *set, uv_loop_t *loop,
                     void (*ready)(void *context, curl_socket_t socket, int events),
                     void *context) {
    *set = (struct socket_set){.ready = ready, .context = context};
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    resource_check(set->fd < 0 ? -errno : 0, "a worker's set of sockets");
    resource_check(uv_poll_init(loop, &set->poll, set->fd), "a worker's set of sockets");
    set->poll.data = set;
    uv_poll_start(&set->poll, UV_READABLE, socket_set_on_event);
}

void socket_set_close(struct socket_set *set) {
    uv_close((uv_handle_t *)&set->poll, NULL);
}

void socket_set_free(struct socket_set *set) {
    close(set->fd);
    free(set->watches);
    *set = (struct socket_set){.fd = -1};
}
