#ifndef OUTHOOK_BASE_UTF8_H
#define OUTHOOK_BASE_UTF8_H

/*
 * Whether bytes are text. Payloads and answers may be anything; what is shown to people or put into
 * JSON has to be UTF-8. No state. Any thread.
 */

#include "outhook/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one character from at most `length` bytes into *point. Returns the bytes that it takes, or
 * 0 when they don't begin with a character: RFC 3629, so no overlong forms, no surrogates, nothing
 * beyond U+10FFFF. */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *point);

/* Whether `length` bytes are UTF-8 from the first to the last. */
bool utf8_valid(const char *bytes, size_t length);

/* Appends bytes as UTF-8, for a place where only text may stand. A byte that is none of it is taken
 * for the Latin-1 that it probably is. */
void utf8_append(struct buffer *text, const char *bytes, size_t length);

/* Whether it is text of one byte each, without a NUL. */
bool utf8_is_ascii(const char *bytes, size_t length);

#endif
