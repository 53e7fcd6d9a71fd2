#include "outhook/delivery/address_policy.h"

#include "outhook/base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BYTES = 16, V4_OFFSET = 12, V4_PREFIX = 96, WORD_BYTES_MAX = 64 };

/* ---- what is not public ---------------------------------------------------------------------- */

struct special {
    struct network network;
    const char *phrase;
};

#define V4(a, b, c, d, bits)                                                                       \
    { {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), (c), (d)}, V4_PREFIX + (bits) }
#define WORD(word) (uint8_t)((word) >> 8), (uint8_t)((word)&0xff)
/* The first four 16-bit words of an address, and its last. */
#define V6(a, b, c, d, last, bits)                                                                 \
    { {WORD(a), WORD(b), WORD(c), WORD(d), 0, 0, 0, 0, 0, 0, WORD(last)}, (bits) }

/*
 * The first match names the reason, so what is narrower stands first. Sources:
 * [4] https://www.iana.org/assignments/iana-ipv4-special-registry
 * [6] https://www.iana.org/assignments/iana-ipv6-special-registry
 * [M] https://www.iana.org/assignments/multicast-addresses
 * [C] the addresses at which clouds tell a machine its credentials. Azure's stands in no registry:
 * it is public, but leads to the host of the machine
 *     (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
 */
static const char private_use[] = "private address"; /* the one that allow_private opens */

static const struct special specials[] = {
    {V4(169, 254, 169, 254, 32), "cloud metadata address"},      /* [C] AWS, Google, Azure, ... */
    {V4(168, 63, 129, 16, 32), "cloud metadata address"},        /* [C] Azure */
    {V4(100, 100, 100, 200, 32), "cloud metadata address"},      /* [C] Alibaba */
    {V4(192, 0, 0, 192, 32), "cloud metadata address"},          /* [C] Oracle */
    {V4(0, 0, 0, 0, 32), "unspecified address"},                 /* [4] RFC 1122: this host */
    {V4(0, 0, 0, 0, 8), "address of this network"},              /* [4] RFC 791 */
    {V4(10, 0, 0, 0, 8), private_use},                           /* [4] RFC 1918 */
    {V4(100, 64, 0, 0, 10), "carrier-grade NAT address"},        /* [4] RFC 6598 */
    {V4(127, 0, 0, 0, 8), "loopback address"},                   /* [4] RFC 1122 */
    {V4(169, 254, 0, 0, 16), "link-local address"},              /* [4] RFC 3927 */
    {V4(172, 16, 0, 0, 12), private_use},                        /* [4] RFC 1918 */
    {V4(192, 0, 0, 0, 24), "IETF protocol assignments address"}, /* [4] RFC 6890 */
    {V4(192, 0, 2, 0, 24), "documentation address"},             /* [4] RFC 5737 */
    {V4(192, 31, 196, 0, 24), "AS112 address"},                  /* [4] RFC 7535 */
    {V4(192, 52, 193, 0, 24), "multicast relay address"},        /* [4] RFC 7450: AMT */
    {V4(192, 88, 99, 0, 24), "6to4 relay address"},              /* [4] RFC 7526: deprecated */
    {V4(192, 168, 0, 0, 16), private_use},                       /* [4] RFC 1918 */
    {V4(192, 175, 48, 0, 24), "AS112 address"},                  /* [4] RFC 7534 */
    {V4(198, 18, 0, 0, 15), "benchmarking address"},             /* [4] RFC 2544 */
    {V4(198, 51, 100, 0, 24), "documentation address"},          /* [4] RFC 5737 */
    {V4(203, 0, 113, 0, 24), "documentation address"},           /* [4] RFC 5737 */
    {V4(224, 0, 0, 0, 4), "multicast address"},                  /* [M] RFC 5771 */
    {V4(255, 255, 255, 255, 32), "broadcast address"},           /* [4] RFC 919 */
    {V4(240, 0, 0, 0, 4), "reserved address"},                   /* [4] RFC 1112 */

    {V6(0xfd00, 0xec2, 0, 0, 0x254, 128), "cloud metadata address"},   /* [C] AWS */
    {V6(0xfd20, 0xce, 0, 0, 0x254, 128), "cloud metadata address"},    /* [C] Google */
    {V6(0, 0, 0, 0, 0, 128), "unspecified address"},                   /* [6] RFC 4291 */
    {V6(0, 0, 0, 0, 1, 128), "loopback address"},                      /* [6] RFC 4291 */
    {V6(0, 0, 0, 0, 0, 96), "IPv4-compatible address"},                /* RFC 4291: deprecated */
    {V6(0x64, 0xff9b, 1, 0, 0, 48), "local-use NAT64 address"},        /* [6] RFC 8215 */
    {V6(0x100, 0, 0, 0, 0, 64), "discard-only address"},               /* [6] RFC 6666 */
    {V6(0x100, 0, 0, 1, 0, 64), "dummy address"},                      /* [6] RFC 9780 */
    {V6(0x2001, 0, 0, 0, 0, 32), "Teredo address"},                    /* [6] RFC 4380 */
    {V6(0x2001, 2, 0, 0, 0, 48), "benchmarking address"},              /* [6] RFC 5180 */
    {V6(0x2001, 0, 0, 0, 0, 23), "IETF protocol assignments address"}, /* [6] RFC 2928 */
    {V6(0x2001, 0xdb8, 0, 0, 0, 32), "documentation address"},         /* [6] RFC 3849 */
    {V6(0x2002, 0, 0, 0, 0, 16), "6to4 address"},                      /* [6] RFC 3056 */
    {V6(0x2620, 0x4f, 0x8000, 0, 0, 48), "AS112 address"},             /* [6] RFC 7534 */
    {V6(0x3fff, 0, 0, 0, 0, 20), "documentation address"},             /* [6] RFC 9637 */
    {V6(0x5f00, 0, 0, 0, 0, 16), "segment routing address"},           /* [6] RFC 9602 */
    {V6(0xfc00, 0, 0, 0, 0, 7), private_use},                          /* [6] RFC 4193 */
    {V6(0xfe80, 0, 0, 0, 0, 10), "link-local address"},                /* [6] RFC 4291 */
    {V6(0xfec0, 0, 0, 0, 0, 10), "site-local address"},                /* RFC 3879: deprecated */
    {V6(0xff00, 0, 0, 0, 0, 8), "multicast address"},                  /* RFC 4291 */
};

enum { SPECIALS = sizeof specials / sizeof *specials };

/* All of IPv6 that was ever given out as public:
 * https://www.iana.org/assignments/ipv6-address-space */
static const struct network v6_public = V6(0x2000, 0, 0, 0, 0, 3);

/* Networks whose addresses carry an IPv4 address. */
static const struct network v4_mapped = V4(0, 0, 0, 0, 0);               /* RFC 4291, 2.5.5.2 */
static const struct network nat64 = V6(0x64, 0xff9b, 0, 0, 0, 96);       /* RFC 6052 */
static const struct network local_nat64 = V6(0x64, 0xff9b, 1, 0, 0, 48); /* RFC 8215 */
static const struct network six_to_four = V6(0x2002, 0, 0, 0, 0, 16);    /* RFC 3056 */
static const struct network teredo = V6(0x2001, 0, 0, 0, 0, 32);         /* RFC 4380 */
enum { SIX_TO_FOUR_OFFSET = 2, TEREDO_OFFSET = 12, TEREDO_MASK = 0xff }; /* client, inverted */

/* ---- judging --------------------------------------------------------------------------------- */

struct address {
    uint8_t bytes[ADDRESS_BYTES];
};

static bool bits_equal(const uint8_t *a, const uint8_t *b, int bits) {
    size_t whole = (size_t)bits / 8;
    int rest = bits % 8;
    return !memcmp(a, b, whole) && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool network_has(const struct network *network, const struct address *address) {
    /* Without this, a short prefix such as ::/0 would let IPv4 in by its mapped form. */
    if (network->prefix < V4_PREFIX &&
        bits_equal(v4_mapped.address, address->bytes, v4_mapped.prefix))
        return false;
    return bits_equal(network->address, address->bytes, network->prefix);
}

static bool networks_have(const struct networks *networks, const struct address *address) {
    for (int i = 0; i < networks->count; i++)
        if (network_has(&networks->items[i], address))
            return true;
    return false;
}

static struct address address_from_v4(const uint8_t *v4, uint8_t mask) {
    struct address address = {0};
    memcpy(address.bytes, v4_mapped.address, V4_OFFSET);
    for (size_t i = 0; i < ADDRESS_BYTES - V4_OFFSET; i++)
        address.bytes[V4_OFFSET + i] = v4[i] ^ mask;
    return address;
}

/* The IPv4 address (in the mapped form) that this one leads to, or the same address. */
static struct address address_unwrap(const struct address *address) {
    if (network_has(&nat64, address))
        return address_from_v4(address->bytes + V4_OFFSET, 0);
    if (network_has(&six_to_four, address))
        return address_from_v4(address->bytes + SIX_TO_FOUR_OFFSET, 0);
    if (network_has(&teredo, address))
        return address_from_v4(address->bytes + TEREDO_OFFSET, TEREDO_MASK);
    return *address;
}

/* Where a translator of the network's own has the IPv4 address is its prefix's length's to say (RFC
 * 6052, 2.2), which nobody tells us: so any place counts for what is denied. */
static bool local_nat64_denied(const struct networks *deny, const struct address *address) {
    static const int places[][4] = {
        {6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}};
    if (!network_has(&local_nat64, address))
        return false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint8_t v4[ADDRESS_BYTES - V4_OFFSET];
        for (size_t j = 0; j < sizeof v4; j++)
            v4[j] = address->bytes[places[i][j]];
        struct address inner = address_from_v4(v4, 0);
        if (networks_have(deny, &inner))
            return true;
    }
    return false;
}

static bool address_read(struct address *address, const struct sockaddr *from) {
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        uint8_t bytes[sizeof v4.sin_addr];
        memcpy(bytes, &v4.sin_addr, sizeof bytes);
        *address = address_from_v4(bytes, 0);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(address->bytes, &v6.sin6_addr, ADDRESS_BYTES);
        return true;
    }
    return false;
}

static const char *address_special(const struct address *address) {
    for (size_t i = 0; i < SPECIALS; i++)
        if (network_has(&specials[i].network, address))
            return specials[i].phrase;
    if (network_has(&v4_mapped, address) || network_has(&v6_public, address))
        return NULL;
    return "address that is not public";
}

static const char denied[] = "address in deny_networks";

const char *address_policy_refusal(const struct address_policy *policy,
                                   const struct sockaddr *address, bool allow_private) {
    struct address literal;
    if (!address_read(&literal, address))
        return "address of an unknown family";
    struct address inner = address_unwrap(&literal);

    if (networks_have(&policy->deny, &literal) || networks_have(&policy->deny, &inner) ||
        local_nat64_denied(&policy->deny, &literal))
        return denied;
    if (networks_have(&policy->allow, &literal) || networks_have(&policy->allow, &inner))
        return NULL;
    /* NAT64 is the network's own way to IPv4, which an IPv6-only machine needs; the tunnels 6to4
     * and Teredo are gone from the public internet, so they are refused as what they are. */
    const char *special = address_special(network_has(&nat64, &literal) ? &inner : &literal);
    bool opened = special == private_use && allow_private && policy->permit_private;
    return opened ? NULL : special;
}

const char *address_policy_remedy(const char *refusal) {
    return refusal == denied ? ", which wins over allow_networks" : "; allow_networks can allow it";
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool prefix_parse(const char *text, int most, int *prefix) {
    int number = 0;
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 3 || text[digits] || (text[0] == '0' && digits > 1))
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text[i] - '0');
    *prefix = number;
    return number <= most;
}

static void bits_clear(uint8_t *bytes, int prefix) {
    for (int i = prefix; i < ADDRESS_BYTES * 8; i++)
        bytes[i / 8] = (uint8_t)(bytes[i / 8] & ~(0x80 >> i % 8));
}

static int network_refuse_host_bits(const char *word, const struct network *network, bool is_v4,
                                    struct error *error) {
    char start[INET6_ADDRSTRLEN];
    if (is_v4)
        inet_ntop(AF_INET, network->address + V4_OFFSET, start, sizeof start);
    else
        inet_ntop(AF_INET6, network->address, start, sizeof start);
    return error_set(error, ERROR_USAGE,
                     "%s is not a network: its address has bits beyond the prefix; did you mean "
                     "%s/%d?",
                     word, start, network->prefix - (is_v4 ? V4_PREFIX : 0));
}

/* Reads one network or address from a word, which is cut at its slash for a while. */
static int network_parse(char *word, struct network *network, struct error *error) {
    char *slash = strchr(word, '/');
    if (slash)
        *slash = '\0';
    uint8_t v4[ADDRESS_BYTES - V4_OFFSET];
    bool is_v4 = inet_pton(AF_INET, word, v4) == 1;
    struct address address = {0};
    bool valid = is_v4 || inet_pton(AF_INET6, word, address.bytes) == 1;
    if (is_v4)
        address = address_from_v4(v4, 0);

    int most = is_v4 ? 32 : 128, prefix = most;
    if (slash) {
        *slash = '/';
        valid = valid && prefix_parse(slash + 1, most, &prefix);
    }
    if (!valid)
        return error_set(error, ERROR_USAGE,
                         "%s is neither a network such as 10.0.0.0/8 or fd00::/8 nor an address",
                         word);

    network->prefix = prefix + (is_v4 ? V4_PREFIX : 0);
    memcpy(network->address, address.bytes, ADDRESS_BYTES);
    bits_clear(network->address, network->prefix);
    if (memcmp(network->address, address.bytes, ADDRESS_BYTES) != 0)
        return network_refuse_host_bits(word, network, is_v4, error);
    return 0;
}

int networks_parse(const char *text, struct networks *networks, struct error *error) {
    static const char parting[] = " ,\t";
    *networks = (struct networks){0};
    for (text += strspn(text, parting); *text; text += strspn(text, parting)) {
        char word[WORD_BYTES_MAX];
        size_t length = strcspn(text, parting);
        struct network network;
        /* What is cut here is too long for an address even so, and quoted as far as it fits. */
        int kept = (int)(length < sizeof word ? length : sizeof word - 1);
        snprintf(word, sizeof word, "%.*s", kept, text);
        int r = network_parse(word, &network, error);
        if (r) {
            networks_free(networks);
            return r;
        }
        size_t count = (size_t)networks->count + 1;
        networks->items = memory_resize(networks->items, count, sizeof network);
        networks->items[networks->count++] = network;
        text += length;
    }
    return 0;
}

void networks_free(struct networks *networks) {
    free(networks->items);
    *networks = (struct networks){0};
}
