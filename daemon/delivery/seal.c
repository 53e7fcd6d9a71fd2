#include "outhook/delivery/seal.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/base64.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16 };

#define PREFIX "sealed:v1:"

/* ---- keys ------------------------------------------------------------------------------------ */

/* A key's name tells nothing of the key but whether it is the same. */
static void key_set_name(struct seal_key *key) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(key->bytes, sizeof key->bytes, digest, &length, EVP_sha256(), NULL) != 1)
        memory_exhausted();
    snprintf(key->name, sizeof key->name, "%02x%02x%02x%02x", digest[0], digest[1], digest[2],
             digest[3]);
}

static int keys_add(struct seal_keys *keys, const char *line, size_t length, int number,
                    struct error *error) {
    size_t decoded = 0;
    if (keys->count == SEAL_KEYS_MAX)
        return error_set(error, ERROR_USAGE, "it holds more than %d keys: drop the oldest",
                         SEAL_KEYS_MAX);
    struct seal_key *key = &keys->keys[keys->count];
    if (!base64_decode(line, length, key->bytes, sizeof key->bytes, &decoded) ||
        decoded != sizeof key->bytes)
        return error_set(error, ERROR_USAGE,
                         "line %d is not a key: it has to be %d random bytes in base64, as from "
                         "head -c %d /dev/urandom | base64",
                         number, SEAL_KEY_BYTES, SEAL_KEY_BYTES);
    key_set_name(key);
    for (int i = 0; i < keys->count; i++)
        if (!strcmp(keys->keys[i].name, key->name))
            return error_set(error, ERROR_USAGE, "line %d is a key that stands there already",
                             number);
    keys->count++;
    return 0;
}

int seal_keys_parse(const char *text, struct seal_keys *keys, struct error *error) {
    int r = 0;
    *keys = (struct seal_keys){0};
    for (int number = 1; !r && *text; number++) {
        size_t length = strcspn(text, "\n"), begin = strspn(text, " \t\r");
        size_t end = length;
        while (end > begin && strchr(" \t\r", text[end - 1]))
            end--;
        if (begin < end && text[begin] != '#')
            r = keys_add(keys, text + begin, end - begin, number, error);
        text += length + (text[length] == '\n');
    }
    if (!r && !keys->count)
        r = error_set(error, ERROR_USAGE,
                      "it holds no key: head -c %d /dev/urandom | base64 makes one",
                      SEAL_KEY_BYTES);
    if (r)
        seal_keys_wipe(keys);
    return r;
}

void seal_keys_wipe(struct seal_keys *keys) {
    OPENSSL_cleanse(keys, sizeof *keys);
}

static const struct seal_key *keys_find(const struct seal_keys *keys, const char *name) {
    for (int i = 0; i < keys->count; i++)
        if (!strncmp(keys->keys[i].name, name, SEAL_KEY_NAME_BYTES - 1))
            return &keys->keys[i];
    return NULL;
}

bool seal_is_sealed(const char *stored) {
    return !strncmp(stored, "sealed:", strlen("sealed:"));
}

bool seal_is_current(const struct seal_keys *keys, const char *stored) {
    return keys->count && !strncmp(stored, PREFIX, strlen(PREFIX)) &&
           !strncmp(stored + strlen(PREFIX), keys->keys[0].name, SEAL_KEY_NAME_BYTES - 1);
}

/* ---- AES-256-GCM ----------------------------------------------------------------------------- */

/* Feeds key, nonce and the endpoint's id to a context that encrypts or decrypts. */
static bool cipher_begin(EVP_CIPHER_CTX *context, const struct seal_key *key,
                         const unsigned char nonce[NONCE_BYTES], int64_t endpoint_id, int encrypt) {
    char bound[48];
    int length = snprintf(bound, sizeof bound, "outhook endpoint %" PRId64, endpoint_id), ignored;
    return context &&
           EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key->bytes, nonce, encrypt, NULL) == 1 &&
           EVP_CipherUpdate(context, NULL, &ignored, (const unsigned char *)bound, length) == 1;
}

static bool encrypt(const struct seal_key *key, int64_t endpoint_id, const char *secret,
                    size_t length, unsigned char *bytes) {
    unsigned char *text = bytes + NONCE_BYTES;
    int written = 0, rest = 0;
    if (RAND_bytes(bytes, NONCE_BYTES) != 1)
        return false;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = cipher_begin(context, key, bytes, endpoint_id, 1) &&
                EVP_CipherUpdate(context, text, &written, (const unsigned char *)secret,
                                 (int)length) == 1 &&
                EVP_CipherFinal_ex(context, text + written, &rest) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, text + length) == 1;
    EVP_CIPHER_CTX_free(context);
    return done;
}

/* False when the key is another one, or a single bit is. */
static bool decrypt(const struct seal_key *key, int64_t endpoint_id, unsigned char *bytes,
                    size_t length, unsigned char *secret) {
    unsigned char *text = bytes + NONCE_BYTES, *tag = text + length;
    int written = 0, rest = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = cipher_begin(context, key, bytes, endpoint_id, 0) &&
                EVP_CipherUpdate(context, secret, &written, text, (int)length) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
                EVP_CipherFinal_ex(context, secret + written, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    ERR_clear_error(); /* else it would be taken for the next TLS call's */
    return done;
}

int seal_close(const struct seal_keys *keys, int64_t endpoint_id, const char *secret, char **sealed,
               struct error *error) {
    size_t length = strlen(secret), total = NONCE_BYTES + length + TAG_BYTES;
    size_t prefix = strlen(PREFIX) + SEAL_KEY_NAME_BYTES;
    unsigned char *bytes = memory_new(total, 1);
    int r = 0;
    if (encrypt(&keys->keys[0], endpoint_id, secret, length, bytes)) {
        *sealed = memory_new(prefix + BASE64_TEXT_BYTES(total), 1);
        snprintf(*sealed, prefix + 1, PREFIX "%s:", keys->keys[0].name);
        base64_encode(bytes, total, *sealed + prefix);
    } else {
        ERR_clear_error();
        r = error_set(error, ERROR_FAILED, "libcrypto can't seal a secret");
    }
    free(bytes);
    return r;
}

static int open_bytes(const struct seal_key *key, int64_t endpoint_id, const char *text,
                      char **secret, struct error *error) {
    size_t capacity = strlen(text), length = 0;
    unsigned char *bytes = memory_new(capacity + 1, 1);
    char *plain = memory_new(capacity + 1, 1);
    bool open =
        base64_decode(text, strlen(text), bytes, capacity, &length) &&
        length >= NONCE_BYTES + TAG_BYTES &&
        decrypt(key, endpoint_id, bytes, length - NONCE_BYTES - TAG_BYTES, (unsigned char *)plain);
    free(bytes);
    if (open) {
        *secret = plain;
        return 0;
    }
    OPENSSL_cleanse(plain, capacity);
    free(plain);
    return error_set(error, ERROR_FAILED,
                     "a sealed secret does not open: it was altered, or belongs to another "
                     "endpoint; outhook endpoint rotate-secret --grace 0s makes a new one");
}

int seal_open(const struct seal_keys *keys, int64_t endpoint_id, const char *stored, char **secret,
              struct error *error) {
    *secret = NULL;
    if (!seal_is_sealed(stored)) {
        *secret = memory_copy_string(stored);
        return 0;
    }
    const char *name = stored + strlen(PREFIX);
    if (strncmp(stored, PREFIX, strlen(PREFIX)) != 0 || strlen(name) <= SEAL_KEY_NAME_BYTES ||
        name[SEAL_KEY_NAME_BYTES - 1] != ':')
        return error_set(error, ERROR_FAILED,
                         "a sealed secret has a form that this version does not know");
    const struct seal_key *key = keys_find(keys, name);
    if (!key)
        return error_set(error, ERROR_FAILED,
                         "a secret is sealed with the key %.*s, which secret_key_file does not "
                         "hold: put it back there",
                         SEAL_KEY_NAME_BYTES - 1, name);
    return open_bytes(key, endpoint_id, name + SEAL_KEY_NAME_BYTES, secret, error);
}
