/* libcrypto's EVP and MAC functions can't keep a keyed state without allocating a copy of it for
 * each message, which takes longer than the hash of a usual webhook; these functions are old, and
 * kept. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "outhook/delivery/hmac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

enum { BLOCK_BYTES = SHA256_CBLOCK, INNER_PAD = 0x36, OUTER_PAD = 0x5c };

_Static_assert(sizeof((SHA256_CTX *)0)->h == sizeof((struct hmac_key *)0)->inner,
               "the state of SHA-256 is eight words");

static void state_after_block(uint32_t state[HMAC_STATE_WORDS],
                              const unsigned char key[BLOCK_BYTES], unsigned char pad) {
    unsigned char block[BLOCK_BYTES];
    SHA256_CTX context;
    for (int i = 0; i < BLOCK_BYTES; i++)
        block[i] = key[i] ^ pad;
    SHA256_Init(&context);
    SHA256_Update(&context, block, sizeof block);
    memcpy(state, context.h, sizeof context.h);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(&context, sizeof context);
}

/* A hash under way that has taken the key's block. */
static SHA256_CTX after_block(const uint32_t state[HMAC_STATE_WORDS]) {
    SHA256_CTX context = {.Nl = 8 * BLOCK_BYTES, .md_len = SHA256_DIGEST_LENGTH};
    memcpy(context.h, state, sizeof context.h);
    return context;
}

void hmac_key_set(struct hmac_key *key, const void *bytes, size_t length) {
    unsigned char block[BLOCK_BYTES] = {0};
    if (length > sizeof block)
        SHA256(bytes, length, block);
    else if (length)
        memcpy(block, bytes, length);
    state_after_block(key->inner, block, INNER_PAD);
    state_after_block(key->outer, block, OUTER_PAD);
    OPENSSL_cleanse(block, sizeof block);
}

void hmac_make(const struct hmac_key *key, const void *head, size_t head_bytes, const void *body,
               size_t body_bytes, unsigned char mac[HMAC_BYTES]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context = after_block(key->inner);
    SHA256_Update(&context, head, head_bytes);
    SHA256_Update(&context, body, body_bytes);
    SHA256_Final(digest, &context);
    context = after_block(key->outer);
    SHA256_Update(&context, digest, sizeof digest);
    SHA256_Final(mac, &context);
}
