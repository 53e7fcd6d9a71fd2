#ifndef OUTHOOK_HTTP_CALL_H
#define OUTHOOK_HTTP_CALL_H

/*
 * One HTTP call to be made: what the loop hands to a worker and gets back with its outcome.
 */

#include "outhook/delivery/address_policy.h"
#include "outhook/delivery/outcome.h"

#include <stdint.h>

struct delivery;
struct endpoint;

/* The settings that hold for calls, as they were when the call began. Never changes; a reload makes
 * a new one. Counted by the loop thread, read by workers. */
struct http_policy {
    int references;
    int64_t timeout_ms, connect_timeout_ms;
    int64_t max_response_bytes, keep_response_bytes;
    char *ca_file;
    char *default_secret; /* signs calls to bare URLs; NULL: they are unsigned */
    struct address_policy addresses;
};

/* A policy, all zero, with one reference. */
struct http_policy *http_policy_new(void);

struct http_policy *http_policy_ref(struct http_policy *policy);

/* Gives a reference back; the last one frees. NULL is fine. */
void http_policy_unref(struct http_policy *policy);

struct http_call {
    struct delivery *delivery;       /* lent by the loop until the call comes back */
    const struct endpoint *endpoint; /* the delivery's snapshot */
    struct http_policy *policy;      /* a reference */
    int worker;                      /* the pool's */
    struct outcome outcome;          /* filled by the worker */
};

/* Frees a call with its outcome; not the delivery. */
void http_call_free(struct http_call *call);

#endif
