#ifndef OUTHOOK_DELIVERY_SIGNATURE_H
#define OUTHOOK_DELIVERY_SIGNATURE_H

/*
 * The headers by which a receiver knows who sent a webhook, and that it is the same one again.
 *
 * Whatever the format, `webhook-id` (the same for every attempt) and `webhook-timestamp` (of this
 * attempt) are sent, for receivers need the id to drop repeats. Beside them:
 *
 *   standard  webhook-signature: v1,<base64> ...          Standard Webhooks 1.0 [1]
 *             HMAC-SHA256 of "id.timestamp.body"; the key is the secret's base64, decoded. A secret
 *             that begins with whsk_ signs with ed25519 instead and is sent as v1a,<base64>.
 *   github    X-Hub-Signature-256: sha256=<hex>, X-GitHub-Event, X-GitHub-Delivery          [2]
 *             HMAC-SHA256 of the body; the key is the secret as it stands.
 *   stripe    Stripe-Signature: t=<timestamp>,v1=<hex>,v1=<hex> ...                         [3]
 *             HMAC-SHA256 of "timestamp.body"; the key is the secret as it stands, prefix and all.
 *   shopify   X-Shopify-Hmac-Sha256: <base64>, X-Shopify-Webhook-Id, X-Shopify-Topic        [4]
 *             HMAC-SHA256 of the body; the key is the secret as it stands.
 *   none      nothing.
 *
 * So that a secret can be replaced without a gap, every secret signs, in the order given. GitHub's
 * and Shopify's formats have room for one signature only: there the first (newest) secret signs.
 *
 * [1] https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * [2] https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 * [3] https://docs.stripe.com/webhooks#verify-manually
 * [4] https://shopify.dev/docs/apps/build/webhooks/subscribe/https
 *
 * No state and no clock. Any thread.
 */

#include "outhook/base/buffer.h"
#include "outhook/base/error.h"
#include "outhook/delivery/hmac.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(constant, word): the words that endpoints.signing may hold. */
#define SIGNINGS(X)                                                                                \
    X(STANDARD, "standard")                                                                        \
    X(GITHUB, "github")                                                                            \
    X(STRIPE, "stripe")                                                                            \
    X(SHOPIFY, "shopify")                                                                          \
    X(NONE, "none")

enum signing {
#define SIGNING_CONSTANT(constant, word) SIGNING_##constant,
    SIGNINGS(SIGNING_CONSTANT)
#undef SIGNING_CONSTANT
};

/* The longest secret, in characters, that endpoint_secrets and default_secret hold. */
enum { SECRET_LENGTH_MAX = 500 };

/* What is signed. Everything is the caller's and only read. */
struct signature_input {
    const char *uid;     /* webhooks.uid: without a dot, for dots part what is signed */
    const char *type;    /* webhooks.type, or NULL */
    int64_t timestamp_s; /* of this attempt, since 1970, UTC; receivers allow 5 minutes */
    const void *body;    /* exactly the bytes that are sent; NULL when there are none */
    size_t body_bytes;
};

/* Reads a word such as "github". False, with *signing untouched, when it is no format's. */
bool signing_parse(const char *word, enum signing *signing);

/* The word of a format. A static string. */
const char *signing_name(enum signing signing);

/* Has libcrypto (and with it libssl) take its memory from memory.h, for after one allocation that
 * failed in it, all TLS may fail until the process ends. Before anything else of libcrypto. */
void signature_set_allocator(void);

/* Judges whether a format can sign with a secret: 0, or ERROR_USAGE and a sentence that says what a
 * secret should look like and never shows this one. */
int signature_secret_check(enum signing signing, const char *secret,
                           struct error *error) must_check;

/* A secret, and what was prepared from it; NULL: nothing, which costs more. */
struct signature_secret {
    const char *text;
    const struct hmac_key *key;
};

/* Prepares a secret for a format. False when there is nothing to prepare: it is ed25519's, or it
 * can't sign, which then is told when it should. The key is wiped by whoever has it. */
bool signature_prepare(enum signing signing, const char *secret, struct hmac_key *key);

/* Appends the format's headers to `lines`, each as "Name: value\n". `secrets` may be empty, which
 * leaves the signature out. The body is not copied, except by ed25519, which can't sign it in
 * pieces.
 *
 * Returns 0; ERROR_USAGE when a secret is unusable (as signature_secret_check() says) or the uid or
 * type can't stand in a header; ERROR_FAILED when libcrypto fails. `lines` is then as it was. */
int signature_append_keyed(struct buffer *lines, enum signing signing,
                           const struct signature_secret *secrets, int secret_count,
                           const struct signature_input *input, struct error *error) must_check;

/* As signature_append_keyed(), with nothing prepared. */
int signature_append(struct buffer *lines, enum signing signing, const char *const *secrets,
                     int secret_count, const struct signature_input *input,
                     struct error *error) must_check;

#endif
