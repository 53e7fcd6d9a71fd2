#ifndef OUTHOOK_HTTP_REQUEST_HEADERS_H
#define OUTHOOK_HTTP_REQUEST_HEADERS_H

/*
 * The header lines of a call: ours (content type, id, time, signatures), then the webhook's, then
 * those of the endpoint that the webhook has not given itself. What the triggers refuse at the
 * INSERT is refused here once more, for rows that came in past them.
 */

#include "outhook/base/error.h"

#include <curl/curl.h>
#include <stdint.h>

struct http_call;

/* Makes the list for an attempt that starts at `now_wall_ms`; the caller frees *headers with
 * curl_slist_free_all(), also after an error. Fails when a header can't be sent or a secret can't
 * sign. A worker's thread. */
int request_headers_make(const struct http_call *call, int64_t now_wall_ms,
                         struct curl_slist **headers, struct error *error) must_check;

#endif
