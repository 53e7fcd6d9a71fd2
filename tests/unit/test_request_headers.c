/* The header lines of a call: ours, the webhook's, the endpoint's, and what may not be sent. */

#include "outhook/http/request_headers.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/http/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static const int64_t now_ms = 1700000000999;

struct made {
    struct http_call *call;
    struct request_headers headers;
    struct error error;
    int result;
};

static struct http_call *call_new(const char *endpoint_name, enum signing signing) {
    struct http_call *call = new (struct http_call);
    struct endpoint *endpoint = endpoint_new();
    endpoint->name = memory_copy_string(endpoint_name);
    endpoint->url = memory_copy_string("https://example.com/");
    endpoint->signing = signing;
    call->delivery = delivery_new(0);
    call->delivery->endpoint = endpoint;
    call->delivery->uid = "msg_1";
    call->delivery->type = "invoice.paid";
    call->delivery->content_type = "application/json";
    call->delivery->payload = memory_copy_string("{}");
    call->delivery->payload_bytes = 2;
    call->endpoint = endpoint;
    call->policy = http_policy_new();
    return call;
}

static struct endpoint *settings(struct http_call *call) {
    return call->delivery->endpoint;
}

static void add_secret(struct http_call *call, const char *secret, int64_t expires_at) {
    struct endpoint *endpoint = settings(call);
    endpoint->secrets = memory_resize(endpoint->secrets, (size_t)endpoint->secret_count + 1,
                                      sizeof *endpoint->secrets);
    endpoint->secrets[endpoint->secret_count++] =
        (struct endpoint_secret){.secret = memory_copy_string(secret), .expires_at = expires_at};
}

static struct made make(struct http_call *call) {
    struct made made = {.call = call};
    made.result = request_headers_make(&made.headers, call, now_ms, &made.error);
    return made;
}

static void made_free(struct made *made) {
    struct delivery *delivery = made->call->delivery;
    request_headers_free(&made->headers);
    http_call_free(made->call);
    delivery_free(delivery); /* with the endpoint */
}

static int count_lines(const struct made *made, const char *start) {
    int count = 0;
    for (const struct curl_slist *line = made->headers.list; line; line = line->next)
        count += !strncasecmp(line->data, start, strlen(start));
    return count;
}

static void assert_line(const struct made *made, const char *expected) {
    for (const struct curl_slist *line = made->headers.list; line; line = line->next)
        if (!strcmp(line->data, expected))
            return;
    fail_msg("there is no line %s", expected);
}

static const char *line_of(const struct made *made, const char *start) {
    for (const struct curl_slist *line = made->headers.list; line; line = line->next)
        if (!strncmp(line->data, start, strlen(start)))
            return line->data;
    return "";
}

/* ---- ours ------------------------------------------------------------------------------------ */

static void what_every_call_carries(void **state) {
    (void)state;
    struct made made = make(call_new("billing", SIGNING_NONE));
    assert_int_equal(made.result, 0);
    assert_line(&made, "Content-Type: application/json");
    assert_line(&made, "webhook-id: msg_1");
    assert_line(&made, "webhook-timestamp: 1700000000"); /* of the attempt, in seconds */
    assert_int_equal(count_lines(&made, "Expect"), 0);
    assert_int_equal(count_lines(&made, "webhook-signature"), 0);
    made_free(&made);
}

/* libcurl would ask receivers for a 100-continue, on which many stall. */
static void a_large_payload_is_not_announced(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_NONE);
    free(call->delivery->payload);
    call->delivery->payload_bytes = 1 << 20;
    call->delivery->payload = memory_new(1, call->delivery->payload_bytes);
    struct made made = make(call);
    assert_int_equal(made.result, 0);
    assert_line(&made, "Expect:"); /* leaves it out */
    made_free(&made);
}

/* What one call has left is not in the next one's. */
static void a_list_serves_again_and_again(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_GITHUB);
    struct made made = make(call);
    assert_int_equal(count_lines(&made, "X-GitHub-Event"), 1);
    settings(call)->signing = SIGNING_NONE;
    assert_int_equal(request_headers_make(&made.headers, call, now_ms, &made.error), 0);
    assert_int_equal(count_lines(&made, "X-GitHub-Event"), 0);
    assert_int_equal(count_lines(&made, "webhook-id"), 1);
    request_headers_clear(&made.headers);
    assert_null(made.headers.list);
    made_free(&made);
}

static void every_valid_secret_signs(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_STANDARD);
    add_secret(call, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", CLOCK_NEVER);
    add_secret(call, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", now_ms + 1);
    add_secret(call, "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", now_ms); /* expired just now */
    struct made made = make(call);
    assert_int_equal(made.result, 0);
    const char *line = line_of(&made, "webhook-signature: v1,");
    const char *second = strstr(line, " v1,");
    assert_non_null(second);
    second = strstr(second + 1, " v1,");
    assert_non_null(second);
    assert_null(strstr(second + 1, " v1,"));
    made_free(&made);
}

static void without_a_secret_there_is_no_signature(void **state) {
    (void)state;
    struct made made = make(call_new("billing", SIGNING_STANDARD));
    assert_int_equal(made.result, 0);
    assert_int_equal(count_lines(&made, "webhook-signature"), 0);
    made_free(&made);
}

static void the_default_secret_is_for_bare_urls(void **state) {
    (void)state;
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    struct http_call *bare = call_new(NULL, SIGNING_STANDARD);
    struct http_call *named = call_new("billing", SIGNING_STANDARD);
    bare->policy->default_secret = memory_copy_string(secret);
    named->policy->default_secret = memory_copy_string(secret);
    struct made bare_made = make(bare), named_made = make(named);
    assert_int_equal(count_lines(&bare_made, "webhook-signature"), 1);
    assert_int_equal(count_lines(&named_made, "webhook-signature"), 0);
    made_free(&bare_made);
    made_free(&named_made);
}

static void a_secret_that_cant_sign(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_STANDARD);
    add_secret(call, "not base64!", CLOCK_NEVER);
    struct made made = make(call);
    assert_int_equal(made.result, ERROR_USAGE);
    assert_null(strstr(made.error.text, "not base64!")); /* a secret is never shown */
    made_free(&made);
}

/* ---- other people's -------------------------------------------------------------------------- */

static void the_webhooks_then_the_endpoints(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_NONE);
    call->delivery->header_lines = "X-A: webhook\nX-B: b c: d\nX-Empty: \n";
    settings(call)->header_lines = memory_copy_string("x-a: endpoint\nX-C: endpoint\nX-Ab: e\n");
    struct made made = make(call);
    assert_int_equal(made.result, 0);
    assert_line(&made, "X-A: webhook");
    assert_line(&made, "X-B: b c: d");
    assert_line(&made, "X-Empty;"); /* libcurl's word for an empty value */
    assert_line(&made, "X-C: endpoint");
    assert_line(&made, "X-Ab: e");                   /* another name, though it begins alike */
    assert_int_equal(count_lines(&made, "x-a:"), 1); /* the webhook's own one, in any case */
    made_free(&made);
}

static const char *const refused[] = {
    "Host: evil.example\n",
    "Transfer-Encoding: chunked\n",
    "content-length: 3\n",
    "webhook-id: other\n",
    "Webhook-Signature: v1,x\n",
    "X-A: b\x01\n",
    "\x01",
    "no colon\n",
    ": no name\n",
    "X A: b\n",
    "X-A: b\rX-B: c\n",
    "X-A:b\n\n",
};

static void what_may_not_be_sent_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        for (int whose = 0; whose < 2; whose++) {
            struct http_call *call = call_new("billing", SIGNING_NONE);
            if (whose)
                settings(call)->header_lines = memory_copy_string(refused[i]);
            else
                call->delivery->header_lines = refused[i];
            struct made made = make(call);
            assert_int_equal(made.result, ERROR_USAGE);
            made_free(&made);
        }
}

static void a_content_type_that_would_be_two_headers(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_NONE);
    call->delivery->content_type = "text/plain\r\nX-Evil: 1";
    struct made made = make(call);
    assert_int_equal(made.result, ERROR_USAGE);
    assert_int_equal(count_lines(&made, "X-Evil"), 0);
    made_free(&made);
}

static void an_id_that_would_be_two_headers(void **state) {
    (void)state;
    struct http_call *call = call_new("billing", SIGNING_NONE);
    call->delivery->uid = "msg\nX-Evil: 1";
    struct made made = make(call);
    assert_int_equal(made.result, ERROR_USAGE);
    made_free(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_every_call_carries),
        cmocka_unit_test(a_large_payload_is_not_announced),
        cmocka_unit_test(a_list_serves_again_and_again),
        cmocka_unit_test(every_valid_secret_signs),
        cmocka_unit_test(without_a_secret_there_is_no_signature),
        cmocka_unit_test(the_default_secret_is_for_bare_urls),
        cmocka_unit_test(a_secret_that_cant_sign),
        cmocka_unit_test(the_webhooks_then_the_endpoints),
        cmocka_unit_test(what_may_not_be_sent_is_refused),
        cmocka_unit_test(a_content_type_that_would_be_two_headers),
        cmocka_unit_test(an_id_that_would_be_two_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
