#include "outhook/delivery/verification.h"

#include "outhook/base/buffer.h"
#include "outhook/base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *verification_header(enum signing signing) {
    switch (signing) {
    case SIGNING_STANDARD:
        return "webhook-signature";
    case SIGNING_GITHUB:
        return "X-Hub-Signature-256";
    case SIGNING_STRIPE:
        return "Stripe-Signature";
    case SIGNING_SHOPIFY:
        return "X-Shopify-Hmac-Sha256";
    case SIGNING_NONE:
        break;
    }
    return NULL;
}

/* ---- what came ------------------------------------------------------------------------------- */

/* Digits only, of a number that fits. */
static bool read_seconds(const char *text, size_t length, int64_t *seconds) {
    if (!length || length > 12 || strspn(text, "0123456789") < length)
        return false;
    *seconds = strtoll(text, NULL, 10);
    return true;
}

/* The value of "t=…" of "t=…,v1=…,v1=…". */
static bool read_stripe_time(const char *text, int64_t *seconds) {
    for (; text; text = strchr(text, ',')) {
        text += *text == ',';
        if (!strncmp(text, "t=", 2))
            return read_seconds(text + 2, strcspn(text + 2, ","), seconds);
    }
    return false;
}

static int read_time(enum signing signing, const struct received *received,
                     struct verification *verification, struct error *error) {
    *verification = (struct verification){0};
    verification->has_timestamp = signing == SIGNING_STANDARD || signing == SIGNING_STRIPE;
    if (signing == SIGNING_STANDARD &&
        (!received->id || !received->timestamp ||
         !read_seconds(received->timestamp, strlen(received->timestamp),
                       &verification->timestamp_s)))
        return error_set(error, ERROR_FAILED,
                         "webhook-id or webhook-timestamp is missing, or is none: both are signed");
    if (signing == SIGNING_STRIPE &&
        !read_stripe_time(received->signature, &verification->timestamp_s))
        return error_set(error, ERROR_FAILED, "Stripe-Signature has no t=, which is signed");
    return 0;
}

/* ---- what would be right --------------------------------------------------------------------- */

/* The value of the header `name` among "Name: value\n" lines, as a copy. */
static char *lines_value(const char *lines, const char *name) {
    size_t length = strlen(name);
    for (; lines && *lines; lines = strchr(lines, '\n'), lines += lines != NULL) {
        if (strncasecmp(lines, name, length) || strncmp(lines + length, ": ", 2))
            continue;
        const char *value = lines + length + 2;
        return strndup(value, strcspn(value, "\n"));
    }
    return NULL;
}

/* Our signature of what came: "v1,…", "sha256=…", "t=…,v1=…" or base64. */
static int make_expected(enum signing signing, const char *secret, const struct received *received,
                         int64_t timestamp_s, char **expected, struct error *error) {
    struct buffer lines = {0};
    const struct signature_input input = {
        .uid = signing == SIGNING_STANDARD ? received->id : "any",
        .timestamp_s = timestamp_s,
        .body = received->body,
        .body_bytes = received->body_bytes,
    };
    int r = signature_append(&lines, signing, &secret, 1, &input, error);
    if (!r)
        *expected = lines_value(buffer_text(&lines), verification_header(signing));
    buffer_free(&lines);
    return r;
}

/* Whether `one` stands among the parts of `text`. The bytes are compared without haste, although
 * nobody is there to take the time: this is code that may be copied. */
static bool part_is_there(const char *text, const char *parting, const char *one) {
    size_t wanted = strlen(one);
    for (text += strspn(text, parting); *text; text += strspn(text, parting)) {
        size_t length = strcspn(text, parting);
        unsigned difference = length != wanted;
        for (size_t i = 0; i < length && i < wanted; i++)
            difference |= (unsigned char)(text[i] ^ one[i]);
        if (!difference)
            return true;
        text += length;
    }
    return false;
}

static bool expected_came(enum signing signing, const char *signature, const char *expected) {
    if (signing == SIGNING_STANDARD)
        return part_is_there(signature, " ", expected);
    if (signing == SIGNING_STRIPE) /* what follows "t=…," */
        return part_is_there(signature, ",", expected + strcspn(expected, ",") + 1);
    return part_is_there(signature, " ", expected);
}

int verification_judge(enum signing signing, const char *secret, const struct received *received,
                       struct verification *verification, struct error *error) {
    char *expected = NULL;
    if (signing == SIGNING_NONE)
        return error_set(error, ERROR_FAILED, "calls to it are not signed");
    if (!received->signature)
        return error_set(error, ERROR_FAILED, "there is no %s header",
                         verification_header(signing));
    int r = signature_secret_check(signing, secret, error);
    if (!r)
        r = read_time(signing, received, verification, error);
    if (!r)
        r = make_expected(signing, secret, received, verification->timestamp_s, &expected, error);
    if (!r && (!expected || !expected_came(signing, received->signature, expected)))
        r = error_set(error, ERROR_FAILED,
                      "the signature is wrong: the secret is another one, or the body is not what "
                      "was signed, to the byte");
    free(expected);
    return r;
}
