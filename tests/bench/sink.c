/*
 * A receiver that costs next to nothing: reads POSTs, answers each with 204, counts.
 *
 *     sink STATE [CERTIFICATE KEY]
 *
 * Listens on ports of its own choice on all addresses, http and (with a certificate) https, and
 * prints them as "http PORT" and "https PORT". What it counts stands in the file STATE, which is
 * mapped (struct state), so that whoever asks costs it nothing. Of a body that begins with {"n":123
 * the time of its arrival is noted in the 123rd place. Ends at SIGTERM.
 *
 * One thread. Knows as much HTTP/1.1 as libcurl speaks: requests with a Content-Length, one after
 * the other; and over https HTTP/2, for clients that offer it.
 */

#include "sink_http2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ARRIVALS_MAX = 1 << 21,
    READ_BYTES = 1 << 16,
    HEAD_BYTES = 4096, /* the most that a request's headers may have */
    EVENTS = 256,
};

static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
static const char length_name[] = "\r\nContent-Length: ";
static const char number_name[] = "{\"n\":";

/* measure.py reads it. */
struct state {
    uint64_t requests, connections, body_bytes;
    int64_t arrived_at_ns[ARRIVALS_MAX]; /* wall */
};

struct connection {
    int fd;
    bool listens, secure;
    SSL *tls;
    struct http2 *http2; /* of a connection that speaks it */
    size_t head_length, body_left;
    bool number_wanted;
    char head[HEAD_BYTES]; /* of a request whose headers have not come whole */
};

static struct state *state;
static SSL_CTX *tls_context;
static int epoll_fd;

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void watch(struct connection *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event))
        die("epoll_ctl");
}

static void part_with(struct connection *connection) {
    http2_free(connection->http2);
    SSL_free(connection->tls);
    close(connection->fd);
    free(connection);
}

static struct connection *connection_new(int fd) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    connection->fd = fd;
    return connection;
}

static void accept_all(const struct connection *listener) {
    int fd, one = 1;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = connection_new(fd);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (listener->secure) {
            connection->tls = SSL_new(tls_context);
            SSL_set_fd(connection->tls, fd);
            SSL_set_accept_state(connection->tls);
        }
        state->connections++;
        watch(connection);
    }
}

static ssize_t receive(struct connection *connection, void *bytes, size_t room) {
    if (!connection->tls)
        return recv(connection->fd, bytes, room, 0);
    int got = SSL_read(connection->tls, bytes, (int)room);
    if (got > 0)
        return got;
    if (SSL_get_error(connection->tls, got) != SSL_ERROR_WANT_READ)
        return 0;
    errno = EAGAIN;
    return -1;
}

/* So little fits into the socket's buffer. */
static bool send_answer(struct connection *connection) {
    int length = sizeof answer - 1;
    if (connection->tls)
        return SSL_write(connection->tls, answer, length) == length;
    return send(connection->fd, answer, (size_t)length, MSG_NOSIGNAL) == length;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void note_arrival(const char *body, size_t length) {
    size_t name_length = sizeof number_name - 1, number = 0;
    struct timespec now;
    if (length <= name_length || memcmp(body, number_name, name_length))
        return;
    for (size_t i = name_length; i < length && body[i] >= '0' && body[i] <= '9'; i++)
        number = number * 10 + (size_t)(body[i] - '0');
    clock_gettime(CLOCK_REALTIME, &now);
    if (number < ARRIVALS_MAX && !state->arrived_at_ns[number])
        state->arrived_at_ns[number] = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Takes what there is of a body; returns how many bytes. */
static size_t take_body(struct connection *connection, const char *bytes, size_t length) {
    size_t taken = length < connection->body_left ? length : connection->body_left;
    if (connection->number_wanted && taken)
        note_arrival(bytes, taken);
    connection->number_wanted = connection->number_wanted && !taken;
    connection->body_left -= taken;
    state->body_bytes += taken;
    return taken;
}

/* Begins a request whose headers are whole. False when it has no length. */
static bool begin(struct connection *connection, const char *head, size_t length) {
    const char *line = memmem(head, length, length_name, sizeof length_name - 1);
    if (!line)
        return false;
    connection->body_left = strtoul(line + sizeof length_name - 1, NULL, 10);
    connection->number_wanted = true;
    connection->head_length = 0;
    return true;
}

/* Joins bytes to a head that has begun to come; returns how many of them were its own, or 0 when it
 * is too long. *whole when it ends here. */
static size_t join_head(struct connection *connection, const char *bytes, size_t length,
                        bool *whole) {
    size_t before = connection->head_length, room = HEAD_BYTES - before;
    size_t more = length < room ? length : room;
    memcpy(connection->head + before, bytes, more);
    connection->head_length += more;
    const char *end = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
    *whole = end != NULL;
    return end ? (size_t)(end - connection->head) + 4 - before : more;
}

/* Takes as much of a head as there is; returns how many bytes, 0 when it can't be one. */
static size_t take_head(struct connection *connection, const char *bytes, size_t length) {
    bool whole;
    const char *end = connection->head_length ? NULL : memmem(bytes, length, "\r\n\r\n", 4);
    if (end) { /* the usual case, in which nothing is copied */
        size_t taken = (size_t)(end - bytes) + 4;
        return begin(connection, bytes, taken) ? taken : 0;
    }
    size_t taken = join_head(connection, bytes, length, &whole);
    if (whole && !begin(connection, connection->head, connection->head_length))
        return 0;
    return taken;
}

/* False when the connection is of no more use. */
static bool take(struct connection *connection, const char *bytes, size_t length) {
    while (length) {
        bool in_body = connection->body_left > 0;
        size_t taken =
            in_body ? take_body(connection, bytes, length) : take_head(connection, bytes, length);
        if (!taken)
            return false;
        bytes += taken;
        length -= taken;
        if (!connection->body_left && !connection->head_length) {
            state->requests++;
            if (!send_answer(connection))
                return false;
        }
    }
    return true;
}

/* ---- HTTP/2 ---------------------------------------------------------------------------------- */

static void http2_body(void *context, const char *bytes, size_t length, bool first) {
    (void)context;
    if (first)
        note_arrival(bytes, length);
    state->body_bytes += length;
}

static void http2_request(void *context) {
    (void)context;
    state->requests++;
}

static bool http2_write(void *context, const void *bytes, size_t length) {
    struct connection *connection = context;
    return SSL_write(connection->tls, bytes, (int)length) == (int)length;
}

static const struct http2_events http2_events = {http2_body, http2_request, http2_write};

static bool speaks_http2(const struct connection *connection) {
    const unsigned char *name = NULL;
    unsigned length = 0;
    if (connection->tls)
        SSL_get0_alpn_selected(connection->tls, &name, &length);
    return length == 2 && !memcmp(name, "h2", 2);
}

/* Takes bytes of either version. False when the connection is of no more use. */
static bool take_any(struct connection *connection, const char *bytes, size_t length) {
    if (!connection->http2 && speaks_http2(connection))
        connection->http2 = http2_new(&http2_events, connection);
    return connection->http2 ? http2_take(connection->http2, bytes, length)
                             : take(connection, bytes, length);
}

static void serve(struct connection *connection) {
    static char bytes[READ_BYTES + 1];
    ssize_t length;
    do {
        length = receive(connection, bytes, READ_BYTES);
        if (length == 0 || (length < 0 && errno != EAGAIN)) {
            part_with(connection);
            return;
        }
        if (length > 0) {
            bytes[length] = '\0';
            if (!take_any(connection, bytes, (size_t)length)) {
                part_with(connection);
                return;
            }
        }
    } while (length > 0 && connection->tls && SSL_pending(connection->tls));
}

/* ---- life ------------------------------------------------------------------------------------ */

static void map_state(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *state))
        die(path);
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (state == MAP_FAILED)
        die(path);
    close(fd);
}

static int choose_version(SSL *tls, const unsigned char **chosen, unsigned char *chosen_length,
                          const unsigned char *offered, unsigned offered_length, void *context) {
    static const unsigned char ours[] = "\2h2\10http/1.1";
    unsigned char *at;
    (void)tls, (void)context;
    if (SSL_select_next_proto(&at, chosen_length, ours, sizeof ours - 1, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = at;
    return SSL_TLSEXT_ERR_OK;
}

static void open_tls(const char *certificate, const char *key) {
    tls_context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls_context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_context, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "sink: can't use %s and %s\n", certificate, key);
        exit(1);
    }
    SSL_CTX_set_alpn_select_cb(tls_context, choose_version, NULL);
}

static void listen_at(const char *scheme, bool secure) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        die("listen");
    struct connection *listener = connection_new(fd);
    listener->listens = true;
    listener->secure = secure;
    watch(listener);
    printf("%s %d\n", scheme, ntohs(address.sin_port));
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS];
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "Usage: sink STATE [CERTIFICATE KEY]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    map_state(argv[1]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listen_at("http", false);
    if (argc == 4) {
        open_tls(argv[2], argv[3]);
        listen_at("https", true);
    }
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->listens)
                accept_all(connection);
            else
                serve(connection);
        }
    }
}
