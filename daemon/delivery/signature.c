#include "outhook/delivery/signature.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/base64.h"
#include "outhook/delivery/header.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
    ED25519_KEY_BYTES = 32,
    ED25519_SIGNATURE_BYTES = 64,
    KEY_BYTES_MAX = (SECRET_LENGTH_MAX + 3) / 4 * 3,
};

/* What follows "whsec_" or "whsk_", decoded. Wiped by whoever has it. */
struct standard_key {
    bool ed25519; /* then `bytes` are a seed and its public key */
    size_t length;
    unsigned char bytes[KEY_BYTES_MAX];
};

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const signing_words[] = {
#define SIGNING_WORD(constant, word) [SIGNING_##constant] = word,
    SIGNINGS(SIGNING_WORD)
#undef SIGNING_WORD
};

enum { SIGNING_COUNT = sizeof signing_words / sizeof *signing_words };

bool signing_parse(const char *word, enum signing *signing) {
    for (int i = 0; i < SIGNING_COUNT; i++)
        if (!strcmp(word, signing_words[i])) {
            *signing = (enum signing)i;
            return true;
        }
    return false;
}

const char *signing_name(enum signing signing) {
    return signing_words[signing];
}

/* ---- libcrypto ------------------------------------------------------------------------------- */

static int crypto_failed(struct error *error, const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    /* What is left in the thread's queue would be taken for the next TLS call's error. */
    ERR_clear_error();
    return error_set(error, ERROR_FAILED, "libcrypto can't make %s: %s", what,
                     reason ? reason : "no reason given");
}

static void *crypto_malloc(size_t bytes, const char *file, int line) {
    (void)file, (void)line;
    return memory_raw(bytes);
}

static void *crypto_realloc(void *old, size_t bytes, const char *file, int line) {
    (void)file, (void)line;
    return memory_resize(old, 1, bytes);
}

static void crypto_free(void *memory, const char *file, int line) {
    (void)file, (void)line;
    free(memory);
}

void signature_set_allocator(void) {
    CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
}

/* Ed25519 (RFC 8032) reads its message twice, so that needs it in one piece. */
static int ed25519_sign(EVP_PKEY *private, const char *prefix, const struct signature_input *input,
                        unsigned char signature[ED25519_SIGNATURE_BYTES], struct error *error) {
    struct buffer message = {0};
    buffer_append(&message, prefix, strlen(prefix));
    buffer_append(&message, input->body, input->body_bytes);

    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t length = ED25519_SIGNATURE_BYTES;
    bool made = context && EVP_DigestSignInit(context, NULL, NULL, NULL, private) == 1 &&
                EVP_DigestSign(context, signature, &length, (const unsigned char *)message.data,
                               message.length) == 1 &&
                length == ED25519_SIGNATURE_BYTES;
    EVP_MD_CTX_free(context);
    buffer_free(&message);
    return made ? 0 : crypto_failed(error, "an ed25519 signature");
}

/* ---- secrets --------------------------------------------------------------------------------- */

static const char *after_prefix(const char *text, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) ? NULL : text + length;
}

static int secret_length_check(const char *secret, struct error *error) {
    size_t length = strnlen(secret, SECRET_LENGTH_MAX + 1);
    if (length && length <= SECRET_LENGTH_MAX)
        return 0;
    return error_set(error, ERROR_USAGE, "a secret has 1 to %d characters", SECRET_LENGTH_MAX);
}

static int standard_key_read(struct standard_key *key, const char *secret, struct error *error) {
    const char *hmac = after_prefix(secret, "whsec_"), *ed25519 = after_prefix(secret, "whsk_");
    *key = (struct standard_key){.ed25519 = ed25519 != NULL};
    if (after_prefix(secret, "whpk_"))
        return error_set(
            error, ERROR_USAGE,
            "the secret is a public key (whpk_), which can't sign: give the secret key "
            "that belongs to it (whsk_)");
    int r = secret_length_check(secret, error);
    if (r)
        return r;
    const char *text = hmac ? hmac : ed25519 ? ed25519 : secret;
    if (!base64_decode(text, strlen(text), key->bytes, sizeof key->bytes, &key->length) ||
        !key->length)
        return error_set(error, ERROR_USAGE,
                         "the secret is not base64: the standard format wants whsec_ and 24 to 64 "
                         "random bytes in base64 after it");
    return 0;
}

/* The private key, freed by the caller. Its public half has to be the one it comes with: a receiver
 * that holds another could never verify. */
static int ed25519_private(EVP_PKEY **private, const struct standard_key *key,
                           struct error *error) {
    unsigned char public[ED25519_KEY_BYTES];
    size_t length = sizeof public;
    bool long_enough = key->length == 2 * ED25519_KEY_BYTES;
    *private = long_enough ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->bytes,
                                                          ED25519_KEY_BYTES)
                           : NULL;
    bool read = *private && EVP_PKEY_get_raw_public_key(*private, public, &length) == 1;
    if (read && !memcmp(public, key->bytes + ED25519_KEY_BYTES, sizeof public))
        return 0;
    EVP_PKEY_free(*private);
    *private = NULL;
    if (long_enough && !read) /* any bytes are a seed */
        return crypto_failed(error, "an ed25519 key");
    ERR_clear_error();
    return error_set(error, ERROR_USAGE,
                     "the secret is no ed25519 key: after whsk_ come 64 bytes in base64, the seed "
                     "and the public key that belongs to it");
}

static int standard_secret_check(const char *secret, struct error *error) {
    struct standard_key key;
    EVP_PKEY *private = NULL;
    int r = standard_key_read(&key, secret, error);
    if (!r && key.ed25519)
        r = ed25519_private(&private, &key, error);
    EVP_PKEY_free(private);
    OPENSSL_cleanse(&key, sizeof key);
    return r;
}

int signature_secret_check(enum signing signing, const char *secret, struct error *error) {
    switch (signing) {
    case SIGNING_STANDARD:
        return standard_secret_check(secret, error);
    case SIGNING_GITHUB:
    case SIGNING_STRIPE:
    case SIGNING_SHOPIFY:
        return secret_length_check(secret, error);
    case SIGNING_NONE:
        break;
    }
    return 0;
}

/* As it would be read for each call. */
static bool standard_hmac_key(const char *secret, struct hmac_key *hmac) {
    struct error ignored = {0};
    struct standard_key key;
    bool is_hmac = !standard_key_read(&key, secret, &ignored) && !key.ed25519;
    if (is_hmac)
        hmac_key_set(hmac, key.bytes, key.length);
    OPENSSL_cleanse(&key, sizeof key);
    return is_hmac;
}

bool signature_prepare(enum signing signing, const char *secret, struct hmac_key *key) {
    struct error ignored = {0};
    switch (signing) {
    case SIGNING_STANDARD:
        return standard_hmac_key(secret, key);
    case SIGNING_GITHUB:
    case SIGNING_STRIPE:
    case SIGNING_SHOPIFY:
        if (secret_length_check(secret, &ignored))
            return false;
        hmac_key_set(key, secret, strlen(secret));
        return true;
    case SIGNING_NONE:
        break;
    }
    return false;
}

/* ---- signatures ------------------------------------------------------------------------------ */

/* Appends base64 of at most ED25519_SIGNATURE_BYTES. */
static void append_base64(struct buffer *lines, const unsigned char *bytes, size_t length) {
    char text[BASE64_TEXT_BYTES(ED25519_SIGNATURE_BYTES)];
    base64_encode(bytes, length, text);
    buffer_append(lines, text, strlen(text));
}

static void append_hex(struct buffer *lines, const unsigned char mac[HMAC_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * HMAC_BYTES];
    for (size_t i = 0; i < HMAC_BYTES; i++) {
        text[2 * i] = digits[mac[i] >> 4];
        text[2 * i + 1] = digits[mac[i] & 0xf];
    }
    buffer_append(lines, text, sizeof text);
}

static void hmac_of(const struct hmac_key *key, const char *prefix,
                    const struct signature_input *input, unsigned char mac[HMAC_BYTES]) {
    hmac_make(key, prefix, strlen(prefix), input->body, input->body_bytes, mac);
}

/* Signs with a secret as the other formats than the standard do: it is the key as it stands. */
static int raw_hmac(const struct signature_secret *secret, const char *prefix,
                    const struct signature_input *input, unsigned char mac[HMAC_BYTES],
                    struct error *error) {
    struct hmac_key key;
    if (secret->key) {
        hmac_of(secret->key, prefix, input, mac);
        return 0;
    }
    int r = secret_length_check(secret->text, error);
    if (r)
        return r;
    hmac_key_set(&key, secret->text, strlen(secret->text));
    hmac_of(&key, prefix, input, mac);
    OPENSSL_cleanse(&key, sizeof key);
    return 0;
}

static int standard_ed25519(const struct standard_key *key, const char *prefix,
                            const struct signature_input *input,
                            unsigned char signature[ED25519_SIGNATURE_BYTES], struct error *error) {
    EVP_PKEY *private;
    int r = ed25519_private(&private, key, error);
    if (!r)
        r = ed25519_sign(private, prefix, input, signature, error);
    EVP_PKEY_free(private);
    return r;
}

static void append_standard_hmac(struct buffer *lines, const struct hmac_key *key,
                                 const char *prefix, const struct signature_input *input) {
    unsigned char mac[HMAC_BYTES];
    hmac_of(key, prefix, input, mac);
    buffer_append(lines, "v1,", 3);
    append_base64(lines, mac, sizeof mac);
}

static int append_standard_ed25519(struct buffer *lines, const struct standard_key *key,
                                   const char *prefix, const struct signature_input *input,
                                   struct error *error) {
    unsigned char signature[ED25519_SIGNATURE_BYTES];
    int r = standard_ed25519(key, prefix, input, signature, error);
    if (r)
        return r;
    buffer_append(lines, "v1a,", 4);
    append_base64(lines, signature, sizeof signature);
    return 0;
}

static int append_standard_entry(struct buffer *lines, const struct signature_secret *secret,
                                 const char *prefix, const struct signature_input *input,
                                 struct error *error) {
    struct standard_key key;
    struct hmac_key hmac;
    if (secret->key) {
        append_standard_hmac(lines, secret->key, prefix, input);
        return 0;
    }
    int r = standard_key_read(&key, secret->text, error);
    if (!r && key.ed25519) {
        r = append_standard_ed25519(lines, &key, prefix, input, error);
    } else if (!r) {
        hmac_key_set(&hmac, key.bytes, key.length);
        append_standard_hmac(lines, &hmac, prefix, input);
        OPENSSL_cleanse(&hmac, sizeof hmac);
    }
    OPENSSL_cleanse(&key, sizeof key);
    return r;
}

static int append_standard(struct buffer *lines, const struct signature_secret *secrets,
                           int secret_count, const struct signature_input *input,
                           struct error *error) {
    if (!secret_count)
        return 0;
    struct buffer prefix = {0};
    buffer_append_text(&prefix, input->uid);
    buffer_append_text(&prefix, ".");
    buffer_append_number(&prefix, input->timestamp_s);
    buffer_append_text(&prefix, ".");
    buffer_append_text(lines, "webhook-signature:");
    int r = 0;
    for (int i = 0; !r && i < secret_count; i++) {
        buffer_append(lines, " ", 1);
        r = append_standard_entry(lines, &secrets[i], buffer_text(&prefix), input, error);
    }
    buffer_append(lines, "\n", 1);
    buffer_free(&prefix);
    return r;
}

static int append_github(struct buffer *lines, const struct signature_secret *secrets,
                         int secret_count, const struct signature_input *input,
                         struct error *error) {
    buffer_print(lines, "X-GitHub-Event: %s\nX-GitHub-Delivery: %s\n",
                 input->type ? input->type : "webhook", input->uid);
    if (!secret_count)
        return 0;
    unsigned char mac[HMAC_BYTES];
    int r = raw_hmac(&secrets[0], "", input, mac, error);
    if (r)
        return r;
    buffer_print(lines, "X-Hub-Signature-256: sha256=");
    append_hex(lines, mac);
    buffer_append(lines, "\n", 1);
    return 0;
}

static int append_stripe(struct buffer *lines, const struct signature_secret *secrets,
                         int secret_count, const struct signature_input *input,
                         struct error *error) {
    if (!secret_count)
        return 0;
    struct buffer prefix = {0};
    buffer_print(&prefix, "%" PRId64 ".", input->timestamp_s);
    buffer_print(lines, "Stripe-Signature: t=%" PRId64, input->timestamp_s);
    int r = 0;
    for (int i = 0; !r && i < secret_count; i++) {
        unsigned char mac[HMAC_BYTES];
        r = raw_hmac(&secrets[i], buffer_text(&prefix), input, mac, error);
        if (r)
            break;
        buffer_print(lines, ",v1=");
        append_hex(lines, mac);
    }
    buffer_append(lines, "\n", 1);
    buffer_free(&prefix);
    return r;
}

static int append_shopify(struct buffer *lines, const struct signature_secret *secrets,
                          int secret_count, const struct signature_input *input,
                          struct error *error) {
    buffer_print(lines, "X-Shopify-Webhook-Id: %s\n", input->uid);
    if (input->type)
        buffer_print(lines, "X-Shopify-Topic: %s\n", input->type);
    if (!secret_count)
        return 0;
    unsigned char mac[HMAC_BYTES];
    int r = raw_hmac(&secrets[0], "", input, mac, error);
    if (r)
        return r;
    buffer_print(lines, "X-Shopify-Hmac-Sha256: ");
    append_base64(lines, mac, sizeof mac);
    buffer_append(lines, "\n", 1);
    return 0;
}

static int append_format(struct buffer *lines, enum signing signing,
                         const struct signature_secret *secrets, int secret_count,
                         const struct signature_input *input, struct error *error) {
    switch (signing) {
    case SIGNING_STANDARD:
        return append_standard(lines, secrets, secret_count, input, error);
    case SIGNING_GITHUB:
        return append_github(lines, secrets, secret_count, input, error);
    case SIGNING_STRIPE:
        return append_stripe(lines, secrets, secret_count, input, error);
    case SIGNING_SHOPIFY:
        return append_shopify(lines, secrets, secret_count, input, error);
    case SIGNING_NONE:
        break;
    }
    return 0;
}

/* What would end a header's line early, or be read as the dot after the uid. */
static int input_check(const struct signature_input *input, struct error *error) {
    if (!*input->uid || !header_value_valid(input->uid, strlen(input->uid)) ||
        strchr(input->uid, '.'))
        return error_set(error, ERROR_USAGE,
                         "the uid is empty or has a dot or a control character");
    if (input->type && !header_value_valid(input->type, strlen(input->type)))
        return error_set(error, ERROR_USAGE, "the type has a control character");
    return 0;
}

int signature_append_keyed(struct buffer *lines, enum signing signing,
                           const struct signature_secret *secrets, int secret_count,
                           const struct signature_input *input, struct error *error) {
    int r = input_check(input, error);
    if (r)
        return r;

    size_t before = lines->length;
    buffer_append_text(lines, "webhook-id: ");
    buffer_append_text(lines, input->uid);
    buffer_append_text(lines, "\nwebhook-timestamp: ");
    buffer_append_number(lines, input->timestamp_s);
    buffer_append_text(lines, "\n");
    r = append_format(lines, signing, secrets, secret_count, input, error);
    if (r) {
        lines->length = before;
        lines->data[before] = '\0';
    }
    return r;
}

int signature_append(struct buffer *lines, enum signing signing, const char *const *secrets,
                     int secret_count, const struct signature_input *input, struct error *error) {
    struct signature_secret *texts = memory_new((size_t)secret_count + 1, sizeof *texts);
    for (int i = 0; i < secret_count; i++)
        texts[i].text = secrets[i];
    int r = signature_append_keyed(lines, signing, texts, secret_count, input, error);
    free(texts);
    return r;
}
