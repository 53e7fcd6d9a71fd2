/*
 * Which addresses may be called: the first and last address of each special-purpose network, their
 * public neighbours, IPv4 within IPv6, and the operator's two lists.
 */

#include "outhook/delivery/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *judge(const struct address_policy *policy, const char *text) {
    struct sockaddr_storage storage = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&storage, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&storage, &v6, sizeof v6);
    else
        fail_msg("%s is no address", text);
    return address_policy_refusal(policy, (const struct sockaddr *)&storage, false);
}

/* `phrase` NULL: may be called. */
static void assert_judged(const struct address_policy *policy, const char *text,
                          const char *phrase) {
    const char *refusal = judge(policy, text);
    if ((refusal == NULL) != (phrase == NULL) || (refusal && strcmp(refusal, phrase) != 0))
        fail_msg("%s: %s instead of %s", text, refusal ? refusal : "allowed",
                 phrase ? phrase : "allowed");
}

struct expectation {
    const char *address, *phrase;
};

#define assert_all(policy, expectations)                                                           \
    for (size_t i = 0; i < sizeof(expectations) / sizeof *(expectations); i++)                     \
    assert_judged((policy), (expectations)[i].address, (expectations)[i].phrase)

static void ipv4_edges(void **state) {
    (void)state;
    static const struct expectation expectations[] = {
        {"0.0.0.0", "unspecified address"},
        {"0.0.0.1", "address of this network"},
        {"0.255.255.255", "address of this network"},
        {"1.0.0.0", NULL},
        {"9.255.255.255", NULL},
        {"10.0.0.0", "private address"},
        {"10.255.255.255", "private address"},
        {"11.0.0.0", NULL},
        {"100.63.255.255", NULL},
        {"100.64.0.0", "carrier-grade NAT address"},
        {"100.100.100.200", "cloud metadata address"},
        {"100.127.255.255", "carrier-grade NAT address"},
        {"100.128.0.0", NULL},
        {"126.255.255.255", NULL},
        {"127.0.0.1", "loopback address"},
        {"127.255.255.255", "loopback address"},
        {"128.0.0.0", NULL},
        {"168.63.129.15", NULL},
        {"168.63.129.16", "cloud metadata address"},
        {"168.63.129.17", NULL},
        {"169.253.255.255", NULL},
        {"169.254.0.0", "link-local address"},
        {"169.254.169.254", "cloud metadata address"},
        {"169.254.255.255", "link-local address"},
        {"169.255.0.0", NULL},
        {"172.15.255.255", NULL},
        {"172.16.0.0", "private address"},
        {"172.31.255.255", "private address"},
        {"172.32.0.0", NULL},
        {"191.255.255.255", NULL},
        {"192.0.0.0", "IETF protocol assignments address"},
        {"192.0.0.192", "cloud metadata address"},
        {"192.0.0.255", "IETF protocol assignments address"},
        {"192.0.1.0", NULL},
        {"192.0.2.0", "documentation address"},
        {"192.0.2.255", "documentation address"},
        {"192.0.3.0", NULL},
        {"192.31.195.255", NULL},
        {"192.31.196.0", "AS112 address"},
        {"192.31.197.0", NULL},
        {"192.52.193.255", "multicast relay address"},
        {"192.52.194.0", NULL},
        {"192.88.98.255", NULL},
        {"192.88.99.1", "6to4 relay address"},
        {"192.88.100.0", NULL},
        {"192.167.255.255", NULL},
        {"192.168.0.0", "private address"},
        {"192.168.255.255", "private address"},
        {"192.169.0.0", NULL},
        {"192.175.48.6", "AS112 address"},
        {"192.175.49.0", NULL},
        {"198.17.255.255", NULL},
        {"198.18.0.0", "benchmarking address"},
        {"198.19.255.255", "benchmarking address"},
        {"198.20.0.0", NULL},
        {"198.51.99.255", NULL},
        {"198.51.100.0", "documentation address"},
        {"198.51.101.0", NULL},
        {"203.0.113.255", "documentation address"},
        {"203.0.114.0", NULL},
        {"223.255.255.255", NULL},
        {"224.0.0.0", "multicast address"},
        {"239.255.255.255", "multicast address"},
        {"240.0.0.0", "reserved address"},
        {"255.255.255.254", "reserved address"},
        {"255.255.255.255", "broadcast address"},
        {"93.184.215.14", NULL},
    };
    const struct address_policy policy = {0};
    assert_all(&policy, expectations);
}

static void ipv6_edges(void **state) {
    (void)state;
    static const struct expectation expectations[] = {
        {"::", "unspecified address"},
        {"::1", "loopback address"},
        {"::2", "IPv4-compatible address"},
        {"::127.0.0.1", "IPv4-compatible address"},
        {"::1:0:0:0", "address that is not public"},
        {"64:ff9b:1::", "local-use NAT64 address"},
        {"64:ff9b:1:ffff::8.8.8.8", "local-use NAT64 address"},
        {"64:ff9b:2::8.8.8.8", "address that is not public"},
        {"64:ff9b:0:0:0:1:808:808", "address that is not public"},
        {"100::1", "discard-only address"},
        {"100:0:0:1::1", "dummy address"},
        {"1fff:ffff::", "address that is not public"},
        {"2000::", NULL},
        {"2000:ffff::", NULL},
        {"2001:1::1", "IETF protocol assignments address"},
        {"2001:2::", "benchmarking address"},
        {"2001:20::1", "IETF protocol assignments address"},
        {"2001:1ff:ffff::", "IETF protocol assignments address"},
        {"2001:200::", NULL},
        {"2001:db7:ffff::", NULL},
        {"2001:db8::", "documentation address"},
        {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation address"},
        {"2001:db9::", NULL},
        {"2001:4860:4860::8888", NULL},
        {"2003::1", NULL},
        {"2620:4f:7fff::", NULL},
        {"2620:4f:8000::6", "AS112 address"},
        {"2620:4f:8001::", NULL},
        {"2a00:1450:4001:829::200e", NULL},
        {"3ffe:ffff::", NULL},
        {"3fff::", "documentation address"},
        {"3fff:fff:ffff::", "documentation address"},
        {"3fff:1000::", NULL},
        {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"4000::", "address that is not public"},
        {"5f00::1", "segment routing address"},
        {"fbff::", "address that is not public"},
        {"fc00::", "private address"},
        {"fd00:ec2::254", "cloud metadata address"},
        {"fd00:ec2::253", "private address"},
        {"fd20:ce::254", "cloud metadata address"},
        {"fdff:ffff::", "private address"},
        {"fe00::", "address that is not public"},
        {"fe80::1", "link-local address"},
        {"febf:ffff::", "link-local address"},
        {"fec0::", "site-local address"},
        {"feff::", "site-local address"},
        {"ff02::1", "multicast address"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast address"},
    };
    const struct address_policy policy = {0};
    assert_all(&policy, expectations);
}

static void ipv4_within_ipv6(void **state) {
    (void)state;
    static const struct expectation expectations[] = {
        {"::ffff:127.0.0.1", "loopback address"},
        {"::ffff:169.254.169.254", "cloud metadata address"},
        {"::ffff:10.1.2.3", "private address"},
        {"::ffff:0.0.0.0", "unspecified address"},
        {"::ffff:8.8.8.8", NULL},
        {"64:ff9b::8.8.8.8", NULL}, /* what DNS64 gives an IPv6-only machine */
        {"64:ff9b::127.0.0.1", "loopback address"},
        {"64:ff9b::192.168.1.1", "private address"},
        {"64:ff9b::168.63.129.16", "cloud metadata address"},
        {"2002:808:808::1", "6to4 address"},
        {"2002:7f00:1::", "6to4 address"},
        {"2001:0:4136:e378:8000:63bf:f7f7:f7f7", "Teredo address"},
    };
    const struct address_policy policy = {0};
    assert_all(&policy, expectations);
}

static struct networks read_networks(const char *text) {
    struct networks networks;
    struct error error = {0};
    int r = networks_parse(text, &networks, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(r, 0);
    return networks;
}

static void allowed_networks(void **state) {
    (void)state;
    struct address_policy policy = {
        .allow = read_networks("127.0.0.0/8, 10.1.2.3 fd00::/8,198.18.0.0/31")};
    static const struct expectation expectations[] = {
        {"127.0.0.1", NULL},
        {"127.255.255.255", NULL},
        {"128.0.0.1", NULL},
        {"126.0.0.1", NULL},
        {"::ffff:127.0.0.1", NULL},
        {"64:ff9b::127.0.0.1", NULL},
        {"2002:7f00:1::", NULL},                                 /* 6to4 of 127.0.0.1 */
        {"2001:0:4136:e378:8000:63bf:80ff:fffe", NULL},          /* Teredo of 127.0.0.1 */
        {"2002:8000:1::", "6to4 address"},                       /* 6to4 of 128.0.0.1 */
        {"2001:0:7f00:1:8000:63bf:7fff:fffe", "Teredo address"}, /* only its server is allowed */
        {"::1", "loopback address"},
        {"::127.0.0.1", "IPv4-compatible address"},
        {"10.1.2.3", NULL},
        {"10.1.2.2", "private address"},
        {"10.1.2.4", "private address"},
        {"fd00::1", NULL},
        {"fd00:ec2::254", NULL},
        {"fc00::1", "private address"},
        {"198.18.0.1", NULL},
        {"198.18.0.2", "benchmarking address"},
    };
    assert_all(&policy, expectations);
    networks_free(&policy.allow);
}

/* A translator of one's own may be allowed as a whole, and not for what is denied behind it,
 * wherever its prefix's length puts that (RFC 6052, 2.2: /48, /56, /64, /96). */
static void denied_behind_ones_own_translator(void **state) {
    (void)state;
    struct address_policy policy = {.allow = read_networks("64:ff9b:1::/48"),
                                    .deny = read_networks("10.0.0.0/8")};
    static const char denied[] = "address in deny_networks";
    const struct expectation expectations[] = {
        {"64:ff9b:1:abcd::8.8.8.8", NULL},      {"64:ff9b:1:abcd::10.1.2.3", denied},
        {"64:ff9b:1:a01:2:300::", denied},      {"64:ff9b:1:ab0a:1:203::", denied},
        {"64:ff9b:1:abcd:a:102:300::", denied}, {"64:ff9b::10.1.2.3", denied},
    };
    assert_all(&policy, expectations);
    networks_free(&policy.allow);
    networks_free(&policy.deny);
}

static void denied_networks_win(void **state) {
    (void)state;
    struct address_policy policy = {.allow = read_networks("127.0.0.0/8 ::1 8.8.8.8"),
                                    .deny = read_networks("127.0.0.2 8.8.8.0/24 2a00::/16 ::1")};
    static const char denied[] = "address in deny_networks";
    const struct expectation expectations[] = {
        {"127.0.0.1", NULL},
        {"127.0.0.2", denied},
        {"::ffff:127.0.0.2", denied},
        {"8.8.8.8", denied},
        {"8.8.9.8", NULL},
        {"64:ff9b::8.8.8.8", denied},
        {"2002:808:808::1", denied},
        {"2a00:1450::1", denied},
        {"2a01:1450::1", NULL},
        {"::1", denied},
        {"10.0.0.1", "private address"},
    };
    assert_all(&policy, expectations);
    assert_string_equal(address_policy_remedy(judge(&policy, "127.0.0.2")),
                        ", which wins over allow_networks");
    assert_string_equal(address_policy_remedy(judge(&policy, "10.0.0.1")),
                        "; allow_networks can allow it");
    networks_free(&policy.allow);
    networks_free(&policy.deny);
}

/* An IPv6 network is about IPv6, although IPv4 has a mapped form there. */
static void all_of_ipv6_is_not_ipv4(void **state) {
    (void)state;
    struct address_policy open = {.allow = read_networks("::/0")};
    assert_judged(&open, "::1", NULL);
    assert_judged(&open, "fe80::1", NULL);
    assert_judged(&open, "127.0.0.1", "loopback address");
    assert_judged(&open, "::ffff:127.0.0.1", "loopback address");

    struct address_policy ipv4_only = {.deny = open.allow};
    assert_judged(&ipv4_only, "2a00:1450::1", "address in deny_networks");
    assert_judged(&ipv4_only, "8.8.8.8", NULL);

    struct address_policy everything = {.allow = read_networks("0.0.0.0/0 ::/0")};
    assert_judged(&everything, "127.0.0.1", NULL);
    assert_judged(&everything, "::1", NULL);
    networks_free(&open.allow);
    networks_free(&everything.allow);
}

static void other_families_are_refused(void **state) {
    (void)state;
    struct address_policy policy = {.allow = read_networks("0.0.0.0/0 ::/0")};
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    assert_string_equal(address_policy_refusal(&policy, (const struct sockaddr *)&storage, false),
                        "address of an unknown family");
    networks_free(&policy.allow);
}

static void assert_network(const struct network *network, const char *mapped, int prefix) {
    uint8_t expected[16];
    assert_int_equal(inet_pton(AF_INET6, mapped, expected), 1);
    assert_memory_equal(network->address, expected, sizeof expected);
    assert_int_equal(network->prefix, prefix);
}

static void networks_are_read(void **state) {
    (void)state;
    struct networks networks = read_networks(
        "10.0.0.0/8,192.0.2.7 , 0.0.0.0/0\tfd00::/8  ::1 ::ffff:10.0.0.0/104,172.16.0.0/12 ");
    assert_int_equal(networks.count, 7);
    assert_network(&networks.items[0], "::ffff:10.0.0.0", 104);
    assert_network(&networks.items[1], "::ffff:192.0.2.7", 128);
    assert_network(&networks.items[2], "::ffff:0.0.0.0", 96);
    assert_network(&networks.items[3], "fd00::", 8);
    assert_network(&networks.items[4], "::1", 128);
    assert_network(&networks.items[5], "::ffff:10.0.0.0", 104);
    assert_network(&networks.items[6], "::ffff:172.16.0.0", 108);
    networks_free(&networks);
    assert_null(networks.items);

    static const char *const empty[] = {"", " ", ",", " , ,\t"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        networks = read_networks(empty[i]);
        assert_int_equal(networks.count, 0);
        assert_null(networks.items);
    }
}

static void what_is_no_network_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"10.0.0.1/8", "10.0.0.1/8 is not a network: its address has bits beyond the prefix; did "
                       "you mean 10.0.0.0/8?"},
        {"192.168.1.255/25", "did you mean 192.168.1.128/25?"},
        {"fd00::1/8", "did you mean fd00::/8?"},
        {"1.2.3.4/0", "did you mean 0.0.0.0/0?"},
        {"10.0.0.0/33", "10.0.0.0/33 is neither a network"},
        {"fd00::/129", "neither"},
        {"10.0.0.0/", "neither"},
        {"10.0.0.0/-1", "neither"},
        {"10.0.0.0/+8", "neither"},
        {"10.0.0.0/08", "neither"},
        {"10.0.0.0/8x", "neither"},
        {"10.0.0.0/8/8", "neither"},
        {"10.0.0.0/4294967304", "neither"},
        {"/8", "/8 is neither"},
        {"10.0.0", "neither"},
        {"010.0.0.0/8", "neither"},
        {"localhost", "localhost is neither a network such as 10.0.0.0/8 or fd00::/8 nor an"},
        {"fe80::1%eth0", "neither"},
        {"[::1]", "neither"},
        {"127.0.0.0/8; ::1", "127.0.0.0/8; is neither"},
        {"127.0.0.0/8 10.0.0.256", "10.0.0.256 is neither"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct networks networks;
        struct error error = {0};
        assert_int_equal(networks_parse(cases[i].text, &networks, &error), ERROR_USAGE);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("%s: %s", cases[i].text, error.text);
        assert_null(networks.items);
        assert_int_equal(networks.count, 0);
    }
}

static void a_long_word_is_refused(void **state) {
    (void)state;
    char text[5000];
    struct networks networks;
    struct error error = {0};
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(networks_parse(text, &networks, &error), ERROR_USAGE);
    assert_non_null(strstr(error.text, "11111111"));
    assert_null(networks.items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_edges),
        cmocka_unit_test(ipv6_edges),
        cmocka_unit_test(ipv4_within_ipv6),
        cmocka_unit_test(allowed_networks),
        cmocka_unit_test(denied_networks_win),
        cmocka_unit_test(denied_behind_ones_own_translator),
        cmocka_unit_test(all_of_ipv6_is_not_ipv4),
        cmocka_unit_test(other_families_are_refused),
        cmocka_unit_test(networks_are_read),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(a_long_word_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
