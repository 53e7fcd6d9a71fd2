#ifndef OUTHOOK_HTTP_TARGET_H
#define OUTHOOK_HTTP_TARGET_H

/*
 * Where a URL leads, as libcurl understands it: parsed once, by the parser that the call itself
 * goes by, so that what is looked up and what is connected to can't be two readings of one text.
 */

#include "outhook/base/error.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/socket.h>

struct endpoint;

struct target {
    CURLU *url;
    char *host; /* in lower case; of an IPv6 address with its brackets */
    int port;
    bool is_secure; /* https */
    bool is_name; /* the host has to be looked up: it is no address, and not localhost (RFC 6761) */
};

/* Parses a URL, which has to begin with http:// or https:// and a host that is an address or
 * printable ASCII, without percent-encoding. Returns 0, or ERROR_USAGE and a sentence, with the
 * target empty. Freed with target_free(). Any thread. */
int target_parse(const char *text, struct target *target, struct error *error) must_check;

/* The target of an endpoint's URL, which is parsed for its first call and stays the endpoint's.
 * NULL and an ERROR_USAGE as target_parse() says. The thread that sends the endpoint's calls. */
const struct target *target_of(struct endpoint *endpoint, struct error *error) must_check;

/* The address that a target holds in place of a name, or loopback for localhost. */
void target_address(const struct target *target, struct sockaddr_storage *address);

/* Whether a host that has to be looked up may be taken for an address, or for localhost, by another
 * program that is handed it: without the dots at its end it is localhost, or its last part is a
 * number, which no domain's is (https://url.spec.whatwg.org/#ends-in-a-number-checker). */
bool target_is_ambiguous(const struct target *target);

/* Whether a host, in lower case, has to be looked up. */
bool host_is_name(const char *host);

/* Frees what a target holds, and makes it empty. */
void target_free(struct target *target);

#endif
