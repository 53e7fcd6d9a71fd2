#ifndef OUTHOOK_HTTP_TRANSFER_H
#define OUTHOOK_HTTP_TRANSFER_H

/*
 * One call on one libcurl easy handle: how it is set up, what it may connect to, what is kept of
 * the answer, and how its end is judged.
 *
 * A transfer serves one call after the other. What is the same for all of them stays set; what calls
 * differ in is set by each, whatever it is, so that nothing of one endpoint (headers, certificates)
 * can leak into a call to the next. After a call that failed the handle is reset. One thread: its
 * worker's.
 */

#include "outhook/base/buffer.h"
#include "outhook/base/list.h"
#include "outhook/http/flood.h"
#include "outhook/http/request_headers.h"

#include <curl/curl.h>
#include <stdbool.h>

struct http_call;
struct socket_set;

struct transfer {
    /* The worker's. */
    struct list link;
    uint64_t started_ms; /* by its loop's clock */
    bool young;          /* it counts as such */

    CURL *easy;
    struct socket_set *sockets; /* its worker's */
    struct http_call *call;     /* while active */
    bool has_options;           /* what is the same for all calls is set */
    bool has_proxy;             /* the last call's is set */
    struct request_headers headers;
    struct curl_slist *addresses;
    struct buffer response_headers, response_body;
    curl_off_t response_bytes; /* of the body, also those not kept */
    bool headers_ended;        /* of the final answer */
    bool response_cut;         /* the body was longer than allowed, and the call cut off */
    bool flooded;              /* the answer had no end otherwise, and the call was cut off */
    struct flood flood;
    curl_socket_t socket; /* that libcurl watches for this call */
    int socket_errno;     /* why the last socket could not be made; 0: it could */
    char refusal[160];    /* why the address policy refused the last address; "" if it didn't */
    char curl_error[CURL_ERROR_SIZE];
};

/* A transfer of the worker that has these sockets. */
struct transfer *transfer_new(struct socket_set *sockets);

/* Frees a transfer that is in no list. */
void transfer_free(struct transfer *transfer);

/* Sets the handle up for a call. False when the request can't be made; the outcome then says why.
 */
bool transfer_start(struct transfer *transfer, struct http_call *call);

/* Lets go of a call that was set up and not made. */
void transfer_withdraw(struct transfer *transfer);

/* Fills the call's outcome from how libcurl ended, and lets go of the call. */
void transfer_finish(struct transfer *transfer, CURLcode code);

/* The call was given up by us: the outcome says so. */
void transfer_abort(struct transfer *transfer);

#endif
