#include "sink_http2.h"

#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS_MAX = 1000, STREAM_WINDOW_BYTES = 1 << 22, CONNECTION_WINDOW_BYTES = 1 << 30 };

struct http2 {
    nghttp2_session *session;
    const struct http2_events *events;
    void *context;
};

static int answer(struct http2 *http2, int32_t stream) {
    uint8_t name[] = ":status", value[] = "204";
    const nghttp2_nv header = {name, value, sizeof name - 1, sizeof value - 1,
                               NGHTTP2_NV_FLAG_NONE};
    http2->events->request(http2->context);
    return nghttp2_submit_response(http2->session, stream, &header, 1, NULL);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)session;
    bool request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    return request && last ? answer(context, frame->hd.stream_id) : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t length, void *context) {
    struct http2 *http2 = context;
    (void)flags;
    bool first = !nghttp2_session_get_stream_user_data(session, stream);
    http2->events->body(http2->context, (const char *)bytes, length, first);
    return nghttp2_session_set_stream_user_data(session, stream, http2);
}

/* All that is due in one piece, as each write would be a TLS record. */
static bool flush(struct http2 *http2) {
    char together[16384];
    size_t length = 0;
    const uint8_t *bytes;
    ssize_t count;
    while ((count = nghttp2_session_mem_send(http2->session, &bytes)) > 0) {
        size_t more = (size_t)count;
        if (length + more > sizeof together) {
            if (!http2->events->write(http2->context, together, length))
                return false;
            length = 0;
        }
        if (more > sizeof together)
            return false; /* no answer of ours is so long */
        memcpy(together + length, bytes, more);
        length += more;
    }
    return count == 0 && (!length || http2->events->write(http2->context, together, length));
}

struct http2 *http2_new(const struct http2_events *events, void *context) {
    struct http2 *http2 = calloc(1, sizeof *http2);
    nghttp2_session_callbacks *callbacks;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
    };
    if (!http2 || nghttp2_session_callbacks_new(&callbacks))
        abort();
    http2->events = events;
    http2->context = context;
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    if (nghttp2_session_server_new(&http2->session, callbacks, http2) ||
        nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, 2) ||
        nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW_BYTES))
        abort();
    nghttp2_session_callbacks_del(callbacks);
    return http2;
}

bool http2_take(struct http2 *http2, const char *bytes, size_t length) {
    ssize_t taken = nghttp2_session_mem_recv(http2->session, (const uint8_t *)bytes, length);
    return taken == (ssize_t)length && flush(http2);
}

void http2_free(struct http2 *http2) {
    if (!http2)
        return;
    nghttp2_session_del(http2->session);
    free(http2);
}
