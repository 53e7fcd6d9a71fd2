#ifndef OUTHOOK_BENCH_SINK_HTTP2_H
#define OUTHOOK_BENCH_SINK_HTTP2_H

/* HTTP/2 for the sink: the server's side of one connection, by nghttp2. One thread. */

#include <stdbool.h>
#include <stddef.h>

struct http2;

struct http2_events {
    /* Bytes of a request's body; `first`: those that it begins with. */
    void (*body)(void *context, const char *bytes, size_t length, bool first);
    /* A request is whole; it is answered by 204. */
    void (*request)(void *context);
    /* Sends. False when the connection is of no more use. */
    bool (*write)(void *context, const void *bytes, size_t length);
};

/* `events` stay the caller's. */
struct http2 *http2_new(const struct http2_events *events, void *context);

/* Takes what was received, and sends what that makes due. False when the connection is of no more
 * use. */
bool http2_take(struct http2 *http2, const char *bytes, size_t length);

/* NULL is fine. */
void http2_free(struct http2 *http2);

#endif
