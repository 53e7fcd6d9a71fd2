#ifndef OUTHOOK_HTTP_FLOOD_H
#define OUTHOOK_HTTP_FLOOD_H

/*
 * An answer that goes on without end where nothing counts it: in interim answers, chunk extensions
 * or trailers. libcurl reads those as fast as they come, a gigabyte a second over loopback, until
 * the time is up. So after a few turns of a call its connection's own count of bytes is watched.
 */

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* A call's; all zero at first. One thread. */
struct flood {
    int turns;
    uint64_t before_bytes; /* received by the connection when it began to be watched */
};

/* Whether by now more has come through `socket` than an answer with a body of up to `body_bytes`
 * can need, with its headers and framing. To be asked in each turn of the call. */
bool flood_found(struct flood *flood, curl_socket_t socket, int64_t body_bytes);

#endif
