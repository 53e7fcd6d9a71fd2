#ifndef OUTHOOK_HTTP_CALL_H
#define OUTHOOK_HTTP_CALL_H

/*
 * One HTTP call to be made: what the loop hands to a worker and gets back with its outcome.
 */

#include "outhook/base/list.h"
#include "outhook/delivery/address_policy.h"
#include "outhook/delivery/outcome.h"
#include "outhook/http/proxy.h"
#include "outhook/http/resolver.h"
#include "outhook/http/target.h"

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
    struct proxy *proxy; /* NULL: none */
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
    struct outcome outcome;          /* filled by the worker */

    /* The pool's, and what it finds out before a worker gets the call. */
    struct list link;
    int worker;
    struct resolver_wait wait;
    const struct target *target; /* the endpoint's; NULL while there is none */
    char *addresses;             /* of a host that has a name: the only ones that may be tried */
    int64_t asked_at;            /* mono ms, for them */
    int64_t waited_ms;           /* until they were there; it counts as a part of the call */
};

/* How long the call may take to connect, name lookup and all; the whole call may take less. */
int64_t http_call_connect_timeout_ms(const struct http_call *call);
int64_t http_call_timeout_ms(const struct http_call *call);

/* Frees a call with its outcome; not the delivery. */
void http_call_free(struct http_call *call);

#endif
