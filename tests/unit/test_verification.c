/* Signatures judged as a receiver does: the published vectors, and what must not pass. */

#include "outhook/delivery/verification.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STANDARD "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define RIGHT "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define WRONG "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

static int judge(enum signing signing, const char *secret, const char *signature, const char *body,
                 struct error *error) {
    struct verification verification;
    const struct received received = {
        .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
        .timestamp = "1614265330",
        .signature = signature,
        .body = body,
        .body_bytes = strlen(body),
    };
    *error = (struct error){0};
    return verification_judge(signing, secret, &received, &verification, error);
}

/* peers' vectors: Standard Webhooks' and Svix's, GitHub's documentation, Stripe's scheme. */
static const struct vector {
    enum signing signing;
    const char *secret, *signature, *body;
} vectors[] = {
    {SIGNING_STANDARD, STANDARD, RIGHT, "{\"test\": 2432232314}"},
    {SIGNING_STANDARD, STANDARD, WRONG " v2," RIGHT " " RIGHT " " WRONG, "{\"test\": 2432232314}"},
    {SIGNING_GITHUB, "It's a Secret to Everybody",
     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "Hello, World!"},
    {SIGNING_STRIPE, "whsec_test_secret",
     "t=1614265330,v1=00,v1=00cd8805b6dfb4317048892c492f8ff769e2075ec20013c6ed546e639a4e20ba,v0=1",
     "{\"id\":\"evt_test\"}"},
};

enum { VECTORS = sizeof vectors / sizeof *vectors };

static void what_is_right_passes(void **state) {
    (void)state;
    struct error error;
    for (size_t i = 0; i < VECTORS; i++)
        if (judge(vectors[i].signing, vectors[i].secret, vectors[i].signature, vectors[i].body,
                  &error))
            fail_msg("%zu: %s", i, error.text);
}

static void a_changed_byte_does_not(void **state) {
    (void)state;
    struct error error;
    for (size_t i = 0; i < VECTORS; i++) {
        char body[64];
        snprintf(body, sizeof body, "%s", vectors[i].body);
        body[3] ^= 1;
        assert_int_equal(
            judge(vectors[i].signing, vectors[i].secret, vectors[i].signature, body, &error),
            ERROR_FAILED);
        assert_non_null(strstr(error.text, "the signature is wrong"));
        assert_null(strstr(error.text, vectors[i].secret));
    }
}

static void another_signature_does_not(void **state) {
    (void)state;
    static const char *const others[] = {WRONG, "v1,", "", "v1", "v2,g0hM9SsE", RIGHT "=", "v1a,x"};
    struct error error;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(
            judge(SIGNING_STANDARD, STANDARD, others[i], "{\"test\": 2432232314}", &error),
            ERROR_FAILED);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    struct error error;
    struct verification verification;
    const struct received none = {.signature = RIGHT, .body = "", .body_bytes = 0};
    assert_int_equal(judge(SIGNING_GITHUB, "s", NULL, "", &error), ERROR_FAILED);
    assert_non_null(strstr(error.text, "no X-Hub-Signature-256 header"));
    assert_int_equal(judge(SIGNING_STRIPE, "s", "v1=00", "", &error), ERROR_FAILED);
    assert_non_null(strstr(error.text, "no t="));
    assert_int_equal(verification_judge(SIGNING_STANDARD, STANDARD, &none, &verification, &error),
                     ERROR_FAILED);
    assert_non_null(strstr(error.text, "webhook-id or webhook-timestamp"));
    assert_int_equal(judge(SIGNING_NONE, "s", RIGHT, "", &error), ERROR_FAILED);
    assert_int_equal(judge(SIGNING_STANDARD, "no base64!", RIGHT, "", &error), ERROR_USAGE);
}

static void the_time_is_read(void **state) {
    (void)state;
    struct error error = {0};
    struct verification verification;
    const struct received stripe = {.signature = vectors[3].signature,
                                    .body = vectors[3].body,
                                    .body_bytes = strlen(vectors[3].body)};
    assert_int_equal(
        verification_judge(SIGNING_STRIPE, vectors[3].secret, &stripe, &verification, &error), 0);
    assert_true(verification.has_timestamp);
    assert_int_equal(verification.timestamp_s, 1614265330);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_passes),       cmocka_unit_test(a_changed_byte_does_not),
        cmocka_unit_test(another_signature_does_not), cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(the_time_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
