/* URLs and the address policy. The input's lines: a URL, allow_networks, deny_networks.
 *
 * - A URL that is taken has a scheme of ours, a host and a port; printed, it leads to the same
 * place.
 * - Networks that are read are the same when printed and read again.
 * - What deny_networks has is refused, whatever else holds. Without both lists, no address is
 *   allowed that lies in the registries' ranges, which stand here once more, as text. */

#include "fuzz.h"

#include "outhook/base/buffer.h"
#include "outhook/delivery/address_policy.h"
#include "outhook/http/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>

/* libraries.md's list and IANA's registries, in another form than address_policy.c has them. */
static const char registry[] =
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 "
    "224.0.0.0/4 240.0.0.0/4 ::/8 100::/64 2001::/32 2001:2::/48 2001:db8::/32 2001:10::/28 "
    "2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8";

static struct networks registry_networks;

/* Of a host that is an address; false for a name. */
static bool address_of_host(const char *host, struct sockaddr_storage *address) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char inner[INET6_ADDRSTRLEN + 2];
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(address, &v4, sizeof v4);
        return true;
    }
    size_t length = strlen(host);
    if (*host != '[' || length < 3 || length >= sizeof inner)
        return false;
    memcpy(inner, host + 1, length - 2);
    inner[length - 2] = '\0';
    if (inet_pton(AF_INET6, inner, &v6.sin6_addr) != 1)
        return false;
    memcpy(address, &v6, sizeof v6);
    return true;
}

/* Whether a list has an address, by bits and without address_policy.c. */
static bool list_has(const struct networks *networks, const struct sockaddr_storage *address) {
    uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
    bool is_v4 = address->ss_family == AF_INET;
    if (is_v4)
        memcpy(bytes + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    else
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    bool is_mapped = !memcmp(bytes, (const uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12);
    for (int i = 0; i < networks->count; i++) {
        const struct network *network = &networks->items[i];
        int bit = 0;
        while (bit < network->prefix &&
               ((bytes[bit / 8] ^ network->address[bit / 8]) >> (7 - bit % 8) & 1) == 0)
            bit++;
        if (bit == network->prefix && (!is_mapped || network->prefix >= 96))
            return true;
    }
    return false;
}

static void judge_networks(const struct networks *networks) {
    struct buffer text = {0};
    struct networks again = {0};
    struct error error = {0};
    for (int i = 0; i < networks->count; i++) {
        char one[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, networks->items[i].address, one, sizeof one);
        buffer_print(&text, "%s/%d ", one, networks->items[i].prefix);
    }
    /* A mapped network prints as ::ffff:10.0.0.0/104, which is the same one. */
    fuzz_require(networks_parse(buffer_text(&text), &again, &error) == 0);
    fuzz_require(again.count == networks->count);
    fuzz_require(!again.count ||
                 !memcmp(again.items, networks->items, (size_t)again.count * sizeof *again.items));
    networks_free(&again);
    buffer_free(&text);
}

static void judge_address(const struct address_policy *policy,
                          const struct sockaddr_storage *address) {
    const struct address_policy closed = {0};
    const struct sockaddr *plain = (const struct sockaddr *)(const void *)address;
    const char *refusal = address_policy_refusal(policy, plain, false);
    const char *refusal_by_default = address_policy_refusal(&closed, plain, false);
    if (list_has(&policy->deny, address))
        fuzz_require(refusal);
    else if (list_has(&policy->allow, address) && !policy->deny.count)
        fuzz_require(!refusal);
    if (!policy->allow.count && !policy->deny.count)
        fuzz_require(!refusal == !refusal_by_default);
    /* NAT64 is the one special range through which public addresses are reached. */
    const uint8_t *v6 =
        (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    bool is_nat64 = address->ss_family == AF_INET6 &&
                    !memcmp(v6, (const uint8_t[12]){0x00, 0x64, 0xff, 0x9b}, 12);
    bool is_mapped = address->ss_family == AF_INET6 &&
                     !memcmp(v6, (const uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12);
    if (is_nat64 || is_mapped) {
        struct sockaddr_storage inner = {0};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        memcpy(&v4.sin_addr, v6 + 12, 4);
        memcpy(&inner, &v4, sizeof v4);
        judge_address(&closed, &inner);
        fuzz_require(!refusal_by_default ==
                     !address_policy_refusal(&closed, (void *)&inner, false));
    } else if (list_has(&registry_networks, address)) {
        fuzz_require(refusal_by_default);
    }
}

static void judge_target(const char *url, const struct target *target) {
    struct target again;
    struct error error = {0};
    char *printed = NULL;
    fuzz_require(!strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8));
    fuzz_require(*target->host && target->port >= 0 && target->port <= 65535);
    for (const char *c = target->host; *c; c++)
        fuzz_require(!isupper((unsigned char)*c) && *c > ' ' && *c <= '~' &&
                     !strchr("/?#@\\,", *c));
    fuzz_require(curl_url_get(target->url, CURLUPART_URL, &printed, 0) == CURLUE_OK);
    fuzz_require(target_parse(printed, &again, &error) == 0);
    fuzz_require(!strcmp(again.host, target->host) && again.port == target->port &&
                 again.is_name == target->is_name);
    target_free(&again);
    curl_free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size), *rest = text;
    const char *url = fuzz_line(&rest), *allow = fuzz_line(&rest), *deny = fuzz_line(&rest);
    struct address_policy policy = {0};
    struct target target;
    struct error error = {0};
    struct sockaddr_storage address;
    if (!registry_networks.count)
        fuzz_require(networks_parse(registry, &registry_networks, &error) == 0);

    if (!networks_parse(allow ? allow : "", &policy.allow, &error))
        judge_networks(&policy.allow);
    if (!networks_parse(deny ? deny : "", &policy.deny, &error))
        judge_networks(&policy.deny);
    if (!target_parse(url, &target, &error)) {
        judge_target(url, &target);
        if (address_of_host(target.host, &address)) {
            fuzz_require(!target.is_name);
            judge_address(&policy, &address);
        }
        target_free(&target);
    } else {
        fuzz_require(error.kind == ERROR_USAGE && *error.text);
    }
    networks_free(&policy.allow);
    networks_free(&policy.deny);
    free(text);
    return 0;
}
