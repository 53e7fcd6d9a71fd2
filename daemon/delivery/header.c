#include "outhook/delivery/header.h"

#include <string.h>
#include <strings.h>

/* The triggers of migrations/0001_contract.sql hold the first group as well. */
static const char *const our_names[] = {
    "host",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",

    /* What signature_append() sets beside webhook-*. */
    "x-github-event",
    "x-github-delivery",
    "x-hub-signature-256",
    "stripe-signature",
    "x-shopify-hmac-sha256",
    "x-shopify-webhook-id",
    "x-shopify-topic",
};

static const char our_prefix[] = "webhook-";

enum { OUR_NAMES = sizeof our_names / sizeof *our_names };

/* isalnum() would ask the locale. */
static bool is_token_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool header_name_valid(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!is_token_byte(name[i]))
            return false;
    return length > 0;
}

bool header_value_valid(const char *value, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return false;
    return true;
}

bool header_is_ours(const char *name, size_t length) {
    size_t prefix_length = sizeof our_prefix - 1;
    if (length >= prefix_length && !strncasecmp(name, our_prefix, prefix_length))
        return true;
    for (size_t i = 0; i < OUR_NAMES; i++)
        if (strlen(our_names[i]) == length && !strncasecmp(name, our_names[i], length))
            return true;
    return false;
}
