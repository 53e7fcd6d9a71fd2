/* Where URLs lead, those above all that are made to be misread. */

#include "outhook/http/target.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_leads_to(const char *url, const char *host, int port, bool is_name) {
    struct target target;
    struct error error = {0};
    if (target_parse(url, &target, &error))
        fail_msg("%s: %s", url, error.text);
    assert_string_equal(target.host, host);
    assert_int_equal(target.port, port);
    assert_int_equal(target.is_name, is_name);
    target_free(&target);
}

static void test_names(void **state) {
    (void)state;
    assert_leads_to("http://example.com/hook?a=b#c", "example.com", 80, true);
    assert_leads_to("HTTPS://EXAMPLE.com:8443", "example.com", 8443, true);
    assert_leads_to("https://example.com./", "example.com.", 443, true);
    assert_leads_to("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, true);
    assert_leads_to("http://notlocalhost/", "notlocalhost", 80, true);
    assert_leads_to("http://127.0.0.1.example/", "127.0.0.1.example", 80, true);
}

static void test_addresses_however_they_are_written(void **state) {
    (void)state;
    static const char *const loopback[] = {
        "http://127.0.0.1/", "http://127.1/",        "http://2130706433/", "http://0x7f.0x0.0.1/",
        "http://0177.0.0.1", "http://017700000001/", "http://127.0.1/"};
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        assert_leads_to(loopback[i], "127.0.0.1", 80, false);
    assert_leads_to("http://0/", "0.0.0.0", 80, false);
    assert_leads_to("http://[::1]:81/", "[::1]", 81, false);
    assert_leads_to("http://[::FFFF:7F00:1]/", "[::ffff:7f00:1]", 80, false);
    assert_leads_to("http://localhost/", "localhost", 80, false);
    assert_leads_to("http://a.LOCALHOST/", "a.localhost", 80, false);
}

static void assert_ambiguous(const char *url, bool expected) {
    struct target target;
    struct error error = {0};
    if (target_parse(url, &target, &error))
        fail_msg("%s: %s", url, error.text);
    if (target_is_ambiguous(&target) != expected)
        fail_msg("%s is %sambiguous", url, expected ? "not " : "");
    target_free(&target);
}

static void test_names_that_look_like_addresses(void **state) {
    (void)state;
    static const char *const ambiguous[] = {
        "http://127.0.0.1./", "http://127.0.0.1../",  "http://0x7f.1./",   "http://0x./",
        "http://localhost./", "http://a.localhost./", "http://256.1.1.1/", "http://a.0x7F/"};
    static const char *const clear[] = {
        "http://127.0.0.1/",          "http://localhost/", "http://[::1]/",
        "http://example.com./",       "http://1.example/", "http://host1/",
        "http://127.0.0.1.example./", "http://0xg/",
    };
    for (size_t i = 0; i < sizeof ambiguous / sizeof *ambiguous; i++)
        assert_ambiguous(ambiguous[i], true);
    for (size_t i = 0; i < sizeof clear / sizeof *clear; i++)
        assert_ambiguous(clear[i], false);
}

static void test_what_says_not_where_it_leads(void **state) {
    (void)state;
    static const char *const urls[] = {
        "",
        "example.com",
        "127.0.0.1:80/",
        "//example.com/",
        "http:",
        "http:/127.0.0.1/",
        "http:///127.0.0.1/",
        "http:\\\\127.0.0.1/",
        "http://",
        "http:///",
        "http://:80/",
        " http://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "httpx://example.com/",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com\\@evil.example/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://exa mple.com/",
        "http://exa%20mple.com/",
        "http://exa\r\nmple.com/",
        "http://example.com%0d%0a/",
        "http://0x%7f..0.c", /* found by fuzz_url, as is the next one */
        "http://0x%38",
        "http://%31%32%37.0.0.1/",
        "http://b\xc3\xbc"
        "cher.example/",
        "http://b%c3%bc"
        "cher.example/",
        "http://exam\xe2\x80\x8bple.com/", /* a space of no width */
        "http://[::1/",
        "http://[::1]x/",
        "http://*/",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct target target;
        struct error error = {0};
        if (!target_parse(urls[i], &target, &error))
            fail_msg("%s leads to %s", urls[i], target.host);
        assert_int_equal(error.kind, ERROR_USAGE);
        assert_null(target.host);
        assert_null(target.url);
    }
}

static void test_parsed_once_for_an_endpoint(void **state) {
    (void)state;
    struct error error = {0};
    struct endpoint *endpoint = endpoint_new();
    endpoint->url = memory_copy_string("https://Example.com/");
    const struct target *target = target_of(endpoint, &error);
    assert_string_equal(target->host, "example.com");
    assert_ptr_equal(target_of(endpoint, &error), target);
    endpoint_unref(endpoint); /* with it: a sanitizer sees if it is not */
}

static void test_an_endpoint_without_a_target(void **state) {
    (void)state;
    struct error error = {0};
    struct endpoint *endpoint = endpoint_new();
    endpoint->url = memory_copy_string("nowhere");
    for (int i = 0; i < 2; i++) {
        assert_null(target_of(endpoint, &error));
        assert_int_equal(error.kind, ERROR_USAGE);
    }
    endpoint_unref(endpoint);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_parsed_once_for_an_endpoint),
        cmocka_unit_test(test_an_endpoint_without_a_target),
        cmocka_unit_test(test_addresses_however_they_are_written),
        cmocka_unit_test(test_names_that_look_like_addresses),
        cmocka_unit_test(test_what_says_not_where_it_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
