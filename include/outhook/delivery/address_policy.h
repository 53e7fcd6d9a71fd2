#ifndef OUTHOOK_DELIVERY_ADDRESS_POLICY_H
#define OUTHOOK_DELIVERY_ADDRESS_POLICY_H

/*
 * Which addresses a webhook may be sent to. Whoever may insert a webhook chooses where the daemon
 * connects to, so by default that is the public internet only, and neither this machine nor its
 * network (server-side request forgery). Asked for each address that a socket is about to be
 * connected to, not for a name, whose answer may change in between.
 *
 * Addresses that carry an IPv4 address within IPv6 (mapped, NAT64, 6to4, Teredo) lead to that
 * address, so it is judged as well. No I/O. A policy that nobody changes may be asked by any
 * thread.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* A network in IPv6's form; of IPv4 in the mapped form, so that 10.0.0.0/8 is ::ffff:10.0.0.0/104.
 */
struct network {
    uint8_t address[16]; /* big-endian; what lies beyond the prefix is 0 */
    int prefix;          /* bits, 0 to 128 */
};

/* A list of networks starts as {0}. */
struct networks {
    struct network *items;
    int count;
};

/* Reads networks ("10.0.0.0/8", "fd00::/8") and single addresses ("192.0.2.7", "::1") parted by
 * spaces, commas or both; empty text has none. `networks` is overwritten; freed with
 * networks_free(). Returns 0, or ERROR_USAGE and a sentence that quotes the word, with `networks`
 * empty. */
int networks_parse(const char *text, struct networks *networks, struct error *error) must_check;

void networks_free(struct networks *networks);

/* The settings allow_networks and deny_networks. */
struct address_policy {
    struct networks allow; /* may be called although they are not public */
    struct networks deny;  /* may never be called; wins over allow */
    bool permit_private;   /* an endpoint's allow_private counts */
};

/* NULL when the address may be connected to; else why not, as a static phrase such as "loopback
 * address". A network of either list matches the address itself or the IPv4 address within it. IPv6
 * networks never match IPv4: "::/0" stands for all of IPv6. A family that is neither is refused.
 * `allow_private` is the endpoint's, and opens private-use addresses alone (RFC 1918, RFC 4193):
 * neither loopback nor link-local ones, at which machines and clouds keep what is theirs. */
const char *address_policy_refusal(const struct address_policy *policy,
                                   const struct sockaddr *address, bool allow_private);

/* What can be done about such a phrase, to follow it in a sentence. */
const char *address_policy_remedy(const char *refusal);

#endif
