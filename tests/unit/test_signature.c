/*
 * Signatures against published vectors:
 *
 * - Standard Webhooks' libraries (libraries/go/webhook_test.go, libraries/python/tests), and Svix
 *   (server/svix-server/src/worker.rs) for ed25519;
 * - https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries;
 * - Hook0, whose v0 signs as Stripe does.
 *
 * The rest was computed with Python's hmac and base64.
 */

#include "outhook/delivery/signature.h"

#include "outhook/delivery/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET_ED25519                                                                             \
    "whsk_6Xb/dCcHpPea21PS1N9VY/"                                                                  \
    "NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define SIGNATURE_ED25519                                                                          \
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
#define WRONG_SIGNATURE "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
#define UID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY "{\"test\": 2432232314}"
#define GITHUB_MAC "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define STRIPE_MAC "00cd8805b6dfb4317048892c492f8ff769e2075ec20013c6ed546e639a4e20ba"
#define ALWAYS "webhook-id: " UID "\nwebhook-timestamp: 1614265330\n"

enum { TIMESTAMP = 1614265330 };

static struct signature_input input_of(const char *body) {
    return (struct signature_input){
        .uid = UID, .timestamp_s = TIMESTAMP, .body = body, .body_bytes = strlen(body)};
}

static void assert_lines(enum signing signing, const char *const *secrets, int secret_count,
                         const struct signature_input *input, const char *expected) {
    struct buffer lines = {0};
    struct error error = {0};
    int r = signature_append(&lines, signing, secrets, secret_count, input, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(r, 0);
    assert_string_equal(buffer_text(&lines), expected);
    buffer_free(&lines);
}

/* What a Standard Webhooks library of a receiver does with the header, such as Python's:
 * `for versioned in header.split(" "): version, signature = versioned.split(",")`. */
static bool receiver_accepts(const char *header, const char *expected) {
    for (const char *entry = header;; entry += strcspn(entry, " ") + 1) {
        size_t length = strcspn(entry, " ");
        assert_non_null(memchr(entry, ',', length));
        if (length == strlen(expected) && !memcmp(entry, expected, length))
            return true;
        if (!entry[length])
            return false;
    }
}

static void words_are_those_of_the_schema(void **state) {
    (void)state;
    static const char *const words[] = {"standard", "github", "stripe", "shopify", "none"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        enum signing signing = SIGNING_NONE;
        assert_true(signing_parse(words[i], &signing));
        assert_string_equal(signing_name(signing), words[i]);
    }
    enum signing signing = SIGNING_STRIPE;
    assert_false(signing_parse("Standard", &signing));
    assert_false(signing_parse("", &signing));
    assert_false(signing_parse("standard ", &signing));
    assert_int_equal(signing, SIGNING_STRIPE);
}

static void standard_vectors(void **state) {
    (void)state;
    const struct vector {
        const char *secret, *uid;
        int64_t timestamp_s;
        const char *body, *signature;
    } vectors[] = {
        {SECRET, UID, TIMESTAMP, BODY, SIGNATURE},
        {SECRET, UID, TIMESTAMP, "", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="},
        {SECRET, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", 1674087231,
         "{\"type\":\"contact.created\",\"timestamp\":\"2022-11-03T20:26:10.344522Z\","
         "\"data\":{\"id\":\"1f81eb52-5198-4599-803e-771906343485\"}}",
         "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="},
        {SECRET_ED25519, UID, TIMESTAMP, BODY, SIGNATURE_ED25519},
        /* Without a prefix, and without padding. */
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", UID, TIMESTAMP, BODY, SIGNATURE},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", UID, TIMESTAMP, BODY,
         "v1,LVOXivKoo4FWasi/IaHvzhE/u+7/cu2AME+zS/nXqzk="},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS=", UID, TIMESTAMP, BODY,
         "v1,LVOXivKoo4FWasi/IaHvzhE/u+7/cu2AME+zS/nXqzk="},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", UID, TIMESTAMP, BODY,
         "v1,yK2tMbA6BHPrMEJ1lLv7UlJJbgFoqGenJkiajZ29evg="},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr==", UID, TIMESTAMP, BODY,
         "v1,yK2tMbA6BHPrMEJ1lLv7UlJJbgFoqGenJkiajZ29evg="},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *v = &vectors[i];
        struct signature_input input = input_of(v->body);
        input.uid = v->uid;
        input.timestamp_s = v->timestamp_s;
        char expected[400];
        snprintf(expected, sizeof expected,
                 "webhook-id: %s\nwebhook-timestamp: %lld\nwebhook-signature: %s\n", v->uid,
                 (long long)v->timestamp_s, v->signature);
        assert_lines(SIGNING_STANDARD, &v->secret, 1, &input, expected);
    }
}

static void standard_takes_any_bytes_and_the_longest_secret(void **state) {
    (void)state;
    const char *secret = SECRET;
    struct signature_input input = input_of("");
    input.body = "a\0b";
    input.body_bytes = 3;
    assert_lines(SIGNING_STANDARD, &secret, 1, &input,
                 ALWAYS "webhook-signature: v1,OCz/PmGBdMa0Av1gDdWl33myIh8dApC6qlZDpRISdA8=\n");

    char longest[SECRET_LENGTH_MAX + 1];
    memset(longest, 'A', SECRET_LENGTH_MAX);
    longest[SECRET_LENGTH_MAX] = '\0';
    secret = longest;
    input = input_of(BODY);
    assert_lines(SIGNING_STANDARD, &secret, 1, &input,
                 ALWAYS "webhook-signature: v1,5xH44iYDeom6iD+pOXfLE2oRPH8qpa6ZYYkpkved/Ic=\n");
}

static void without_a_body_pointer(void **state) {
    (void)state;
    const char *const secrets[] = {SECRET, SECRET_ED25519};
    struct signature_input input = {.uid = UID, .timestamp_s = TIMESTAMP};
    struct buffer lines = {0};
    assert_int_equal(signature_append(&lines, SIGNING_STANDARD, secrets, 2, &input, NULL), 0);
    assert_non_null(strstr(buffer_text(&lines), " v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="
                                                " v1a,"));
    buffer_free(&lines);
}

static void every_secret_signs_in_order(void **state) {
    (void)state;
    const char *const secrets[] = {SECRET_ED25519, SECRET, "whsec_AAAA"};
    struct signature_input input = input_of(BODY);
    struct buffer lines = {0};
    assert_int_equal(signature_append(&lines, SIGNING_STANDARD, secrets, 3, &input, NULL), 0);
    assert_non_null(strstr(buffer_text(&lines),
                           "\nwebhook-signature: " SIGNATURE_ED25519 " " SIGNATURE " v1,"));

    char *header = strstr(buffer_text(&lines), "v1a,");
    header[strcspn(header, "\n")] = '\0';
    assert_true(receiver_accepts(header, SIGNATURE));
    assert_true(receiver_accepts(header, SIGNATURE_ED25519));
    assert_false(receiver_accepts(header, WRONG_SIGNATURE));
    buffer_free(&lines);
}

/* The verifier of these tests judges as the libraries' tests demand of theirs. */
static void receiver_accepts_as_libraries_do(void **state) {
    (void)state;
    assert_true(receiver_accepts(WRONG_SIGNATURE
                                 " v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= " SIGNATURE
                                 " " WRONG_SIGNATURE,
                                 SIGNATURE));
    assert_false(receiver_accepts(WRONG_SIGNATURE, SIGNATURE));
    assert_false(receiver_accepts("v1,", SIGNATURE));
}

static void github_vector(void **state) {
    (void)state;
    const char *const secrets[] = {"It's a Secret to Everybody", "older"};
    struct signature_input input = input_of("Hello, World!");
    assert_lines(SIGNING_GITHUB, secrets, 2, &input,
                 ALWAYS "X-GitHub-Event: webhook\nX-GitHub-Delivery: " UID
                        "\nX-Hub-Signature-256: " GITHUB_MAC "\n");
    input.type = "push";
    assert_lines(SIGNING_GITHUB, NULL, 0, &input,
                 ALWAYS "X-GitHub-Event: push\nX-GitHub-Delivery: " UID "\n");
}

static void stripe_vectors(void **state) {
    (void)state;
    const char *const secrets[] = {"whsec_test_secret", "old"};
    struct signature_input input = input_of("{\"id\":\"evt_test\"}");
    assert_lines(SIGNING_STRIPE, secrets, 1, &input,
                 ALWAYS "Stripe-Signature: t=1614265330,v1=" STRIPE_MAC "\n");
    assert_lines(SIGNING_STRIPE, secrets, 2, &input,
                 ALWAYS "Stripe-Signature: t=1614265330,v1=" STRIPE_MAC
                        ",v1=4bdd92f6b7d813e4dbdc287e50363f0a17e5e0609309697693e9e74351afb34d\n");
    assert_lines(SIGNING_STRIPE, NULL, 0, &input, ALWAYS);

    const char *hook0 = "secret";
    input = input_of("hello !");
    input.timestamp_s = 1636936200;
    assert_lines(SIGNING_STRIPE, &hook0, 1, &input,
                 "webhook-id: " UID "\nwebhook-timestamp: 1636936200\nStripe-Signature: "
                 "t=1636936200,v1="
                 "1b3d69df55f1e52f05224ba94a5162abeb17ef52cd7f4948c390f810d6a87e98\n");
}

static void shopify_vector(void **state) {
    (void)state;
    const char *const secrets[] = {"hush", "older"};
    struct signature_input input = input_of("{\"id\":820982911946154508}");
    input.type = "orders/create";
    assert_lines(SIGNING_SHOPIFY, secrets, 2, &input,
                 ALWAYS "X-Shopify-Webhook-Id: " UID "\nX-Shopify-Topic: orders/create\n"
                        "X-Shopify-Hmac-Sha256: qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=\n");
    input.type = NULL;
    assert_lines(SIGNING_SHOPIFY, NULL, 0, &input, ALWAYS "X-Shopify-Webhook-Id: " UID "\n");
}

static void without_a_signature(void **state) {
    (void)state;
    const char *const secrets[] = {"anything at all"};
    struct signature_input input = input_of(BODY);
    assert_lines(SIGNING_NONE, secrets, 1, &input, ALWAYS);
    assert_lines(SIGNING_STANDARD, NULL, 0, &input, ALWAYS);
}

/* The signature, alone, of a webhook. */
static void sign(enum signing signing, const char *secret, const struct signature_input *input,
                 char *signature, size_t size) {
    static const char *const names[] = {
        [SIGNING_STANDARD] = "webhook-signature: ",
        [SIGNING_GITHUB] = "X-Hub-Signature-256: ",
        [SIGNING_STRIPE] = ",v1=",
        [SIGNING_SHOPIFY] = "X-Shopify-Hmac-Sha256: ",
    };
    struct buffer lines = {0};
    assert_int_equal(signature_append(&lines, signing, &secret, 1, input, NULL), 0);
    const char *start = strstr(buffer_text(&lines), names[signing]);
    assert_non_null(start);
    snprintf(signature, size, "%s", start);
    buffer_free(&lines);
}

static void any_changed_byte_changes_the_signature(void **state) {
    (void)state;
    const struct {
        enum signing signing;
        const char *secret;
    } cases[] = {{SIGNING_STANDARD, SECRET},
                 {SIGNING_STANDARD, SECRET_ED25519},
                 {SIGNING_GITHUB, SECRET},
                 {SIGNING_STRIPE, SECRET},
                 {SIGNING_SHOPIFY, SECRET}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char before[200], after[200], body[] = BODY;
        struct signature_input input = input_of(body);
        sign(cases[i].signing, cases[i].secret, &input, before, sizeof before);
        for (size_t at = 0; at < sizeof body - 1; at++) {
            body[at] ^= 1;
            sign(cases[i].signing, cases[i].secret, &input, after, sizeof after);
            assert_string_not_equal(before, after);
            body[at] ^= 1;
        }
        sign(cases[i].signing, cases[i].secret, &input, after, sizeof after);
        assert_string_equal(before, after);
    }
}

static void standard_and_stripe_sign_what_stands_around_the_body(void **state) {
    (void)state;
    char before[200], after[200];
    struct signature_input input = input_of(BODY);
    const enum signing signings[] = {SIGNING_STANDARD, SIGNING_STRIPE};
    for (size_t i = 0; i < 2; i++) {
        sign(signings[i], SECRET, &input, before, sizeof before);
        input.timestamp_s++;
        sign(signings[i], SECRET, &input, after, sizeof after);
        assert_string_not_equal(before, after);
    }
    sign(SIGNING_STANDARD, SECRET, &input, before, sizeof before);
    input.uid = "msg_p5jXN8AQM9LWM0D4loKWxJel";
    sign(SIGNING_STANDARD, SECRET, &input, after, sizeof after);
    assert_string_not_equal(before, after);
}

/* A refusal leaves the lines alone and never shows the secret. */
static void assert_refused(enum signing signing, const char *secret, const char *sentence) {
    bool only_first = signing == SIGNING_GITHUB || signing == SIGNING_SHOPIFY;
    const char *const secrets[] = {only_first ? secret : SECRET, secret};
    struct signature_input input = input_of(BODY);
    struct buffer lines = {0};
    struct error error = {0};
    assert_int_equal(signature_secret_check(signing, secret, &error), ERROR_USAGE);
    assert_non_null(strstr(error.text, sentence));
    if (strlen(secret) > strlen("whsec_"))
        assert_null(strstr(error.text, secret));

    buffer_print(&lines, "before: 1\n");
    error = (struct error){0};
    assert_int_equal(signature_append(&lines, signing, secrets, 2, &input, &error), ERROR_USAGE);
    assert_non_null(strstr(error.text, sentence));
    assert_string_equal(buffer_text(&lines), "before: 1\n");
    assert_int_equal(lines.length, strlen("before: 1\n"));
    buffer_free(&lines);
}

static void unusable_secrets_are_refused(void **state) {
    (void)state;
    char too_long[SECRET_LENGTH_MAX + 2];
    memset(too_long, 'A', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    static const char *const not_base64[] = {
        "whsec_",     "whsec_A",     "whsec_AAAA=", "whsec_AAA==",
        "whsec_AA=",  "whsec_=",     "whsec_AA=A",  "whsec_AAAA====",
        "whsec_AA-_", "whsec_ AAAA", "AAAA\n",      "not base64!",
        "hush-hush",  "WHSEC_AAAA",  "====",        "whsec_whsec_AAAA",
    };
    for (size_t i = 0; i < sizeof not_base64 / sizeof *not_base64; i++)
        assert_refused(SIGNING_STANDARD, not_base64[i], "not base64");
    assert_refused(SIGNING_STANDARD,
                   "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "public key");
    assert_refused(SIGNING_STANDARD,
                   "whsk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "no ed25519 key");
    /* The public half with one bit changed. */
    assert_refused(SIGNING_STANDARD,
                   "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p"
                   "9lMicMFs6Kvw==",
                   "no ed25519 key");
    assert_refused(SIGNING_STANDARD, too_long, "1 to 500 characters");
    assert_refused(SIGNING_STRIPE, too_long, "1 to 500 characters");
    assert_refused(SIGNING_GITHUB, "", "1 to 500 characters");
    assert_refused(SIGNING_SHOPIFY, "", "1 to 500 characters");
    assert_int_equal(signature_secret_check(SIGNING_NONE, "", NULL), 0);
    assert_int_equal(signature_secret_check(SIGNING_STANDARD, SECRET_ED25519, NULL), 0);
    assert_int_equal(signature_secret_check(SIGNING_GITHUB, "not base64!", NULL), 0);
}

static void what_would_break_a_header_is_refused(void **state) {
    (void)state;
    struct buffer lines = {0};
    static const char *const uids[] = {"", "a.b", "a\r\nX: y", "a\x7f"};
    for (size_t i = 0; i < sizeof uids / sizeof *uids; i++) {
        struct signature_input input = input_of(BODY);
        input.uid = uids[i];
        assert_int_equal(signature_append(&lines, SIGNING_NONE, NULL, 0, &input, NULL),
                         ERROR_USAGE);
    }
    struct signature_input input = input_of(BODY);
    input.type = "a\nX-Other: b";
    assert_int_equal(signature_append(&lines, SIGNING_GITHUB, NULL, 0, &input, NULL), ERROR_USAGE);
    assert_string_equal(buffer_text(&lines), "");
    buffer_free(&lines);
}

static void a_prepared_secret_signs_the_same(void **state) {
    (void)state;
    const char *text = SECRET;
    struct signature_input input = input_of(BODY);
    struct hmac_key key;
#define COMPARE(constant, word)                                                                    \
    {                                                                                              \
        struct buffer plain = {0}, prepared = {0};                                                 \
        bool made = signature_prepare(SIGNING_##constant, text, &key);                             \
        struct signature_secret secret = {text, made ? &key : NULL};                               \
        assert_int_equal(made, SIGNING_##constant != SIGNING_NONE);                                \
        assert_int_equal(signature_append(&plain, SIGNING_##constant, &text, 1, &input, NULL), 0); \
        assert_int_equal(                                                                          \
            signature_append_keyed(&prepared, SIGNING_##constant, &secret, 1, &input, NULL), 0);   \
        assert_string_equal(buffer_text(&prepared), buffer_text(&plain));                          \
        buffer_free(&plain);                                                                       \
        buffer_free(&prepared);                                                                    \
    }
    SIGNINGS(COMPARE)
#undef COMPARE
    assert_false(signature_prepare(SIGNING_STANDARD, "whsec_no base64!", &key));
    assert_false(signature_prepare(SIGNING_STANDARD, "whsk_AAAA", &key));
    assert_false(signature_prepare(SIGNING_GITHUB, "", &key));
}

/* A header that a user could give as well would be sent twice. */
static void every_header_is_known_to_be_ours(void **state) {
    (void)state;
    const char *secret = SECRET;
    struct signature_input input = input_of(BODY);
    input.type = "push";
    struct buffer lines = {0};
#define APPEND(constant, word)                                                                     \
    assert_int_equal(signature_append(&lines, SIGNING_##constant, &secret, 1, &input, NULL), 0);
    SIGNINGS(APPEND)
#undef APPEND
    int count = 0;
    for (const char *line = buffer_text(&lines); *line; line += strcspn(line, "\n") + 1) {
        assert_true(header_is_ours(line, strcspn(line, ":")));
        count++;
    }
    assert_int_equal(count, 5 * 2 + 1 + 3 + 1 + 3);
    buffer_free(&lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_schema),
        cmocka_unit_test(standard_vectors),
        cmocka_unit_test(standard_takes_any_bytes_and_the_longest_secret),
        cmocka_unit_test(without_a_body_pointer),
        cmocka_unit_test(every_secret_signs_in_order),
        cmocka_unit_test(receiver_accepts_as_libraries_do),
        cmocka_unit_test(github_vector),
        cmocka_unit_test(stripe_vectors),
        cmocka_unit_test(shopify_vector),
        cmocka_unit_test(without_a_signature),
        cmocka_unit_test(any_changed_byte_changes_the_signature),
        cmocka_unit_test(standard_and_stripe_sign_what_stands_around_the_body),
        cmocka_unit_test(unusable_secrets_are_refused),
        cmocka_unit_test(what_would_break_a_header_is_refused),
        cmocka_unit_test(a_prepared_secret_signs_the_same),
        cmocka_unit_test(every_header_is_known_to_be_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
