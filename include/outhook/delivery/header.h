#ifndef OUTHOOK_DELIVERY_HEADER_H
#define OUTHOOK_DELIVERY_HEADER_H

/*
 * What may stand in a request header that a user brings. libcurl sends such lines as they are, so a
 * line break in one would write a header, or a whole request, of its own. The triggers of the
 * schema refuse the same things where they enter; this is the second look, right before use.
 *
 * No state. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Whether `length` bytes are a header's name: a token (RFC 9110, 5.6.2). */
bool header_name_valid(const char *name, size_t length);

/* Whether `length` bytes may be a header's value: no control characters, not even a tab (RFC
 * 9110, 5.5, would allow that one). Empty is valid, and so is what lies beyond ASCII. */
bool header_value_valid(const char *value, size_t length);

/* Whether the daemon sets a header of this name itself, in any case of letters, so that a user
 * can't: what HTTP needs for its framing, Content-Type and User-Agent, and what signature_append()
 * sets. */
bool header_is_ours(const char *name, size_t length);

#endif
