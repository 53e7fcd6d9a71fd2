#ifndef OUTHOOK_HTTP_REQUEST_HEADERS_H
#define OUTHOOK_HTTP_REQUEST_HEADERS_H

/*
 * The header lines of a call: ours (our name, content type, id, time, signatures), then the
 * webhook's, then those of the endpoint that the webhook has not given itself. What the triggers
 * refuse at the INSERT is refused here once more, for rows that came in past them.
 *
 * The list is of nodes of our own, and its memory serves one call after the other: libcurl would
 * allocate each line twice.
 */

#include "outhook/base/buffer.h"
#include "outhook/base/error.h"

#include <curl/curl.h>
#include <stdint.h>

struct http_call;

/* All zero at first. */
struct request_headers {
    struct curl_slist *list; /* for libcurl; NULL when there is none */
    struct curl_slist *nodes;
    size_t node_room;
    struct buffer lines;
};

/* Makes the list for an attempt that starts at `now_wall_ms`. Fails when a header can't be sent or
 * a secret can't sign; there is no list then. A worker's thread. */
int request_headers_make(struct request_headers *headers, const struct http_call *call,
                         int64_t now_wall_ms, struct error *error) must_check;

/* Ends the list's use, and keeps the memory for the next one unless it is unusually large. */
void request_headers_clear(struct request_headers *headers);

void request_headers_free(struct request_headers *headers);

#endif
