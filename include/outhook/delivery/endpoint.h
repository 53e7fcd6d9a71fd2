#ifndef OUTHOOK_DELIVERY_ENDPOINT_H
#define OUTHOOK_DELIVERY_ENDPOINT_H

/*
 * An endpoint's settings as they were read: a snapshot that never changes. An edit makes a new one,
 * and calls under way finish with the one that they started with, so snapshots are counted: the
 * lane holds one reference and each loaded delivery another. The count is the loop thread's;
 * workers read the rest.
 */

#include "outhook/base/duration.h"
#include "outhook/delivery/signature.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct target;

struct endpoint_secret {
    char *secret;
    int64_t expires_at; /* wall ms; CLOCK_NEVER when it doesn't */
    bool keyed;         /* `key` is prepared from it */
    struct hmac_key key;
};

struct endpoint {
    int64_t id;
    char *name; /* NULL: made by a webhook to a bare URL */
    char *url;
    bool enabled, ordered, tls_insecure, http2, allow_private;
    enum signing signing;
    struct endpoint_secret *secrets; /* newest first */
    int secret_count;
    char *locked; /* why it can't be signed for as it should be: nothing is sent; NULL: it can */
    bool keyless; /* that is: for want of a valid secret, rather than that one can't be opened */
    int64_t locked_until; /* wall ms: when it is to be read again for that, or, if it is not locked,
                           * when its last secret has expired; 0: need not be */
    int64_t failing_since; /* wall ms: when its failures began without a success since; 0: none */
    char *header_lines;    /* "Name: value\n" …; NULL when there are none */

    /* 0 or NULL: the configured default. */
    int64_t timeout_ms, connect_timeout_ms;
    int max_attempts, max_in_flight, rate_burst;
    double rate_limit; /* calls a second; 0: unlimited */
    struct durations *retry_schedule;
    char *tls_ca_file, *tls_cert_file, *tls_key_file;

    /* What the URL was parsed into, from the first call on, and what frees it. The loop sets it,
     * workers read it. */
    struct target *target;
    void (*target_free)(struct target *target);

    atomic_int references;
};

/* A new snapshot, all zero, with one reference, for the store to fill. */
struct endpoint *endpoint_new(void);

struct endpoint *endpoint_ref(struct endpoint *endpoint);

/* Gives a reference back; the last one frees, secrets wiped. NULL is fine. Returns NULL. */
struct endpoint *endpoint_unref(struct endpoint *endpoint);

/* What people know it by: its name, else its URL. */
const char *endpoint_label(const struct endpoint *endpoint);

/* Whether two snapshots send to the same place, so that what was learned of it still holds. */
bool endpoint_same_target(const struct endpoint *a, const struct endpoint *b);

/* How many characters of the URL are its origin: scheme, host and port. */
int endpoint_origin_length(const struct endpoint *endpoint);

/* A hash of the origin, the same for all endpoints that share it. */
uint64_t endpoint_origin_hash(const struct endpoint *endpoint);

/* Whether a call may be made at `now_wall_ms`: it is signed, or need not be. (One to a bare URL
 * need not.) Any thread. */
bool endpoint_can_sign(const struct endpoint *endpoint, int64_t now_wall_ms);

#endif
