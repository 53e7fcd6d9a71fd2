#ifndef OUTHOOK_DELIVERY_HMAC_H
#define OUTHOOK_DELIVERY_HMAC_H

/*
 * HMAC-SHA256 (RFC 2104) with keys that are prepared once: what SHA-256 makes of the key's two
 * blocks is kept, and a message costs its own blocks and two more. No state, no allocation. Any
 * thread.
 */

#include <stddef.h>
#include <stdint.h>

enum { HMAC_BYTES = 32, HMAC_STATE_WORDS = 8 };

/* As secret as the key itself: to be wiped by whoever has it. */
struct hmac_key {
    uint32_t inner[HMAC_STATE_WORDS], outer[HMAC_STATE_WORDS];
};

/* Prepares a key of any length. */
void hmac_key_set(struct hmac_key *key, const void *bytes, size_t length);

/* The MAC of a message that comes in two parts. */
void hmac_make(const struct hmac_key *key, const void *head, size_t head_bytes, const void *body,
               size_t body_bytes, unsigned char mac[HMAC_BYTES]);

#endif
