/* Endpoints: counted snapshots, whether they are the same place, and what shares a connection. */

#include "outhook/delivery/endpoint.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct endpoint *endpoint_at(const char *url) {
    struct endpoint *endpoint = endpoint_new();
    endpoint->url = memory_copy_string(url);
    return endpoint;
}

static uint64_t origin_of(const char *url) {
    struct endpoint *endpoint = endpoint_at(url);
    uint64_t hash = endpoint_origin_hash(endpoint);
    endpoint_unref(endpoint);
    return hash;
}

static void add_secret(struct endpoint *endpoint, const char *secret) {
    endpoint->secrets = memory_resize(endpoint->secrets, (size_t)endpoint->secret_count + 1,
                                      sizeof *endpoint->secrets);
    endpoint->secrets[endpoint->secret_count++] =
        (struct endpoint_secret){.secret = memory_copy_string(secret), .expires_at = INT64_MAX};
}

/* The sanitizers find what the last reference leaves behind, or takes too early. */
static void the_last_reference_frees(void **state) {
    (void)state;
    struct endpoint *endpoint = endpoint_at("https://example.com/");
    endpoint->name = memory_copy_string("billing");
    endpoint->header_lines = memory_copy_string("X-A: b\n");
    endpoint->retry_schedule = new (struct durations);
    endpoint->tls_ca_file = memory_copy_string("/a");
    endpoint->tls_cert_file = memory_copy_string("/b");
    endpoint->tls_key_file = memory_copy_string("/c");
    add_secret(endpoint, "whsec_new");
    add_secret(endpoint, "whsec_old");

    assert_ptr_equal(endpoint_ref(endpoint), endpoint);
    assert_null(endpoint_unref(endpoint));
    assert_string_equal(endpoint->url, "https://example.com/");
    assert_null(endpoint_unref(endpoint));
    assert_null(endpoint_unref(NULL));
}

/* A call under way keeps the snapshot that it started with. */
static void a_delivery_gives_its_reference_back(void **state) {
    (void)state;
    struct endpoint *endpoint = endpoint_at("https://example.com/");
    struct delivery *delivery = delivery_new(0);
    delivery->endpoint = endpoint_ref(endpoint);
    delivery->uid = "msg_1";
    delivery->payload = memory_copy_string("{}");
    delivery->payload_bytes = 2;
    delivery_free_payload(delivery);
    assert_null(delivery->payload);
    assert_int_equal(delivery->payload_bytes, 2);
    delivery_free(delivery);
    assert_int_equal(atomic_load(&endpoint->references), 1);
    endpoint_unref(endpoint);
    delivery_free(NULL);
}

static void known_by_its_name_else_its_url(void **state) {
    (void)state;
    struct endpoint *endpoint = endpoint_at("https://example.com/");
    assert_string_equal(endpoint_label(endpoint), "https://example.com/");
    endpoint->name = memory_copy_string("billing");
    assert_string_equal(endpoint_label(endpoint), "billing");
    endpoint_unref(endpoint);
}

static void the_same_place_is_the_same_url(void **state) {
    (void)state;
    struct endpoint *a = endpoint_at("https://example.com/a");
    struct endpoint *b = endpoint_at("https://example.com/a");
    struct endpoint *c = endpoint_at("https://example.com/b");
    b->max_in_flight = 7;
    assert_true(endpoint_same_target(a, b));
    assert_false(endpoint_same_target(a, c));
    endpoint_unref(a);
    endpoint_unref(b);
    endpoint_unref(c);
}

static void an_origin_is_scheme_host_and_port(void **state) {
    (void)state;
    uint64_t origin = origin_of("https://example.com/hook");
    assert_true(origin == origin_of("https://example.com"));
    assert_true(origin == origin_of("https://example.com/other/path?query#fragment"));
    assert_true(origin == origin_of("https://example.com?query=/"));
    assert_true(origin == origin_of("https://example.com#fragment"));
    assert_true(origin == origin_of("HTTPS://Example.COM/hook"));
    assert_true(origin != origin_of("http://example.com/hook"));
    assert_true(origin != origin_of("https://example.com:8443/hook"));
    assert_true(origin != origin_of("https://example.org/hook"));
    assert_true(origin != origin_of("https://www.example.com/hook"));
    assert_true(origin_of("no scheme/x") == origin_of("no scheme/y"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(a_delivery_gives_its_reference_back),
        cmocka_unit_test(known_by_its_name_else_its_url),
        cmocka_unit_test(the_same_place_is_the_same_url),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
