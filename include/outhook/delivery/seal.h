#ifndef OUTHOOK_DELIVERY_SEAL_H
#define OUTHOOK_DELIVERY_SEAL_H

/*
 * Secrets sealed at rest: AES-256-GCM (NIST SP 800-38D) under a key that is not in the database, so
 * that who may read the database can't sign in our name.
 *
 *     sealed:v1:1a2b3c4d:BASE64
 *
 * The eight digits name the key: the beginning of its SHA-256. The base64 holds a random nonce of
 * 12 bytes, the ciphertext, and a tag of 16 bytes. The endpoint's id is authenticated as well: a
 * sealed secret that somebody copies to another endpoint does not open there.
 *
 * Keys come from a text, one a line, each 32 bytes in base64; the first seals, all open, so that a
 * key is replaced by writing the new one above it. No clock and no I/O, but libcrypto's random
 * numbers. Any thread.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEAL_KEYS_MAX = 8, SEAL_KEY_BYTES = 32, SEAL_KEY_NAME_BYTES = 9 };

struct seal_key {
    char name[SEAL_KEY_NAME_BYTES];
    unsigned char bytes[SEAL_KEY_BYTES];
};

struct seal_keys {
    int count; /* 0: nothing is sealed, and nothing can be opened */
    struct seal_key keys[SEAL_KEYS_MAX];
};

/* Reads the text of a key file: lines of base64, blank ones and those that begin with # apart. An
 * ERROR_USAGE says which line is wrong, and never shows it. Wiped with seal_keys_wipe(). */
int seal_keys_parse(const char *text, struct seal_keys *keys, struct error *error) must_check;

void seal_keys_wipe(struct seal_keys *keys);

/* Whether a stored secret is sealed, by whatever key. */
bool seal_is_sealed(const char *stored);

/* Whether it is sealed by the first of the keys, so that nothing needs to be done. */
bool seal_is_current(const struct seal_keys *keys, const char *stored);

/* Seals a secret of an endpoint with the first key. *sealed is the caller's. ERROR_FAILED when
 * libcrypto fails. */
int seal_close(const struct seal_keys *keys, int64_t endpoint_id, const char *secret, char **sealed,
               struct error *error) must_check;

/* Opens a stored secret; one that isn't sealed is copied. *secret is the caller's, who wipes it. An
 * ERROR_FAILED names the key that is missing, or says that it was altered or belongs elsewhere. */
int seal_open(const struct seal_keys *keys, int64_t endpoint_id, const char *stored, char **secret,
              struct error *error) must_check;

#endif
