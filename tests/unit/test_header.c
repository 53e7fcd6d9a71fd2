/* Which headers a user may bring. */

#include "outhook/delivery/header.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void names_are_tokens(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char name[] = {'X', (char)c};
        bool token = c && c < 128 && (isalnum(c) || strchr("!#$%&'*+-.^_`|~", c)); /* RFC 9110 */
        assert_int_equal(header_name_valid(name, 2), token);
    }
    assert_false(header_name_valid("", 0));
    assert_true(header_name_valid("X", 1));
    assert_true(header_name_valid("X-Name: no", 6));
    assert_false(header_name_valid("X-Name: no", 7));
}

static void values_have_no_control_bytes(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char value[] = {'x', (char)c, 'y'};
        assert_int_equal(header_value_valid(value, 3), c >= 0x20 && c != 0x7f);
    }
    assert_true(header_value_valid("", 0));
    assert_true(header_value_valid("ab\n", 2));
    assert_false(header_value_valid("ab\r\nX-Other: 1", 14));
}

static void assert_ours(const char *name, bool ours) {
    if (header_is_ours(name, strlen(name)) != ours)
        fail_msg("%s: ours is %d", name, !ours);
}

static void ours_in_any_case(void **state) {
    (void)state;
    static const char *const ours[] = {
        /* As in _judge_headers of the schema. */
        "Host", "Connection", "Content-Length", "Content-Type", "Expect", "Keep-Alive",
        "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
        "User-Agent", "Webhook-Id", "webhook-timestamp", "WEBHOOK-SIGNATURE", "Webhook-",
        "webhook-anything",
        /* As each format sets. */
        "X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256", "Stripe-Signature",
        "X-Shopify-Hmac-Sha256", "X-Shopify-Webhook-Id", "X-Shopify-Topic"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        char name[64];
        assert_ours(ours[i], true);
        for (int upper = 0; upper < 2; upper++) {
            snprintf(name, sizeof name, "%s", ours[i]);
            for (char *c = name; *c; c++)
                *c = (char)(upper ? toupper(*c) : tolower(*c));
            assert_ours(name, true);
        }
    }
}

static void theirs(void **state) {
    (void)state;
    static const char *const names[] = {"Authorization", "X-Host", "Hos",     "Hosts",
                                        "Accept",        "Cookie", "Webhook", "X-Webhook-Id",
                                        "X-GitHub",      "T",      ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_ours(names[i], false);
    assert_true(header_is_ours("Host: example.com", 4));
    assert_false(header_is_ours("Host", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_tokens),
        cmocka_unit_test(values_have_no_control_bytes),
        cmocka_unit_test(ours_in_any_case),
        cmocka_unit_test(theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
