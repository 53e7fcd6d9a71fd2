#ifndef OUTHOOK_DELIVERY_BASE64_H
#define OUTHOOK_DELIVERY_BASE64_H

/*
 * Base64 (RFC 4648, section 4), on top of libcrypto. No state. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Characters, with the final NUL, that `bytes` become. */
#define BASE64_TEXT_BYTES(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* Decodes the first `text_length` characters of a text, padded or not, into at most `capacity`
 * bytes; *length becomes how many there were. False, with nothing said of `bytes`, for anything
 * that is not base64 or too long: libcrypto alone would take blanks and stray "=" as well. */
bool base64_decode(const char *text, size_t text_length, unsigned char *bytes, size_t capacity,
                   size_t *length);

/* Writes BASE64_TEXT_BYTES(length) characters, padded and ended by a NUL. */
void base64_encode(const unsigned char *bytes, size_t length, char *text);

#endif
