#ifndef OUTHOOK_HTTP_SOCKET_SET_H
#define OUTHOOK_HTTP_SOCKET_SET_H

/*
 * The sockets that libcurl wants watched, in an epoll of their own, which a libuv loop watches as
 * one.
 *
 * Between two calls libcurl wants a kept connection's socket watched no more, and soon again: a
 * uv_poll_t each would make five system calls of that. Here a socket that is no longer wanted stays
 * registered until it has an event, and usually it is wanted again before. The kernel forgets a
 * socket that is closed; so that its number isn't taken for known when it comes again, new sockets
 * are announced. One thread.
 */

#include <curl/curl.h>
#include <stdint.h>
#include <uv.h>

struct socket_set {
    int fd;
    uv_poll_t poll;
    struct socket_watch *watches; /* by the socket's number */
    int watch_count;
    void (*ready)(void *context, curl_socket_t socket, int events);
    void *context;
};

/* An empty set in a loop. `ready` is called with CURL_CSELECT_* when a socket has an event that is
 * wanted, and may change what is wanted. Aborts when the process has no file descriptor left. */
void socket_set_open(struct socket_set *set, uv_loop_t *loop,
                     void (*ready)(void *context, curl_socket_t socket, int events), void *context);

/* No event is told any more. The loop has to turn once more before socket_set_free(). */
void socket_set_close(struct socket_set *set);

/* Frees what is left, after libcurl's handles. */
void socket_set_free(struct socket_set *set);

/* A new socket was opened: nothing is known of its number. */
void socket_set_opened(struct socket_set *set, curl_socket_t socket);

/* Takes what libcurl wants of a socket: CURL_POLL_*. */
void socket_set_want(struct socket_set *set, curl_socket_t socket, int what);

#endif
