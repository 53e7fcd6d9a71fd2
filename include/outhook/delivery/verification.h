#ifndef OUTHOOK_DELIVERY_VERIFICATION_H
#define OUTHOOK_DELIVERY_VERIFICATION_H

/*
 * Whether a call is signed rightly, as its receiver would judge: the signatures that the secret
 * makes for what was received are compared with those that came. No state and no clock. Any thread.
 */

#include "outhook/base/error.h"
#include "outhook/delivery/signature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VERIFICATION_TOLERANCE_S = 300 }; /* what the libraries of receivers allow, both ways */

/* What was received. The texts are NULL where there was no such header; all is the caller's. */
struct received {
    const char *id;        /* webhook-id; standard only */
    const char *timestamp; /* webhook-timestamp; standard only */
    const char *signature; /* the format's own header: see verification_header() */
    const void *body;
    size_t body_bytes;
};

struct verification {
    bool has_timestamp;
    int64_t timestamp_s; /* of the signature; github and shopify have none */
};

/* The name of the header that carries a format's signature; NULL for SIGNING_NONE. */
const char *verification_header(enum signing signing);

/* 0 when the signature is right, whatever its time. Else ERROR_FAILED with a sentence that says
 * what is wrong, or ERROR_USAGE for a secret that can't sign. */
int verification_judge(enum signing signing, const char *secret, const struct received *received,
                       struct verification *verification, struct error *error) must_check;

#endif
