#include "outhook/delivery/endpoint.h"

#include "outhook/base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct endpoint *endpoint_new(void) {
    struct endpoint *endpoint = new (struct endpoint);
    atomic_init(&endpoint->references, 1);
    return endpoint;
}

struct endpoint *endpoint_ref(struct endpoint *endpoint) {
    atomic_fetch_add(&endpoint->references, 1);
    return endpoint;
}

struct endpoint *endpoint_unref(struct endpoint *endpoint) {
    if (!endpoint || atomic_fetch_sub(&endpoint->references, 1) > 1)
        return NULL;

    for (int i = 0; i < endpoint->secret_count; i++) {
        explicit_bzero(endpoint->secrets[i].secret, strlen(endpoint->secrets[i].secret));
        free(endpoint->secrets[i].secret);
    }
    if (endpoint->secrets)
        explicit_bzero(endpoint->secrets,
                       (size_t)endpoint->secret_count * sizeof *endpoint->secrets);
    free(endpoint->secrets);
    if (endpoint->target)
        endpoint->target_free(endpoint->target);
    free(endpoint->locked);
    free(endpoint->name);
    free(endpoint->url);
    free(endpoint->header_lines);
    free(endpoint->retry_schedule);
    free(endpoint->tls_ca_file);
    free(endpoint->tls_cert_file);
    free(endpoint->tls_key_file);
    free(endpoint);
    return NULL;
}

const char *endpoint_label(const struct endpoint *endpoint) {
    return endpoint->name ? endpoint->name : endpoint->url;
}

bool endpoint_same_target(const struct endpoint *a, const struct endpoint *b) {
    return !strcmp(a->url, b->url);
}

int endpoint_origin_length(const struct endpoint *endpoint) {
    const char *authority = strstr(endpoint->url, "://");
    authority = authority ? authority + 3 : endpoint->url;
    return (int)(authority + strcspn(authority, "/?#") - endpoint->url);
}

/* FNV-1a, over the letters in lower case as a host has no case. */
uint64_t endpoint_origin_hash(const struct endpoint *endpoint) {
    const char *end = endpoint->url + endpoint_origin_length(endpoint);
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = endpoint->url; c < end; c++)
        hash = (hash ^ (uint64_t)tolower((unsigned char)*c)) * 0x100000001b3u;
    return hash;
}

bool endpoint_can_sign(const struct endpoint *endpoint, int64_t now_wall_ms) {
    if (!endpoint->name || endpoint->signing == SIGNING_NONE)
        return true;
    for (int i = 0; i < endpoint->secret_count; i++)
        if (endpoint->secrets[i].expires_at > now_wall_ms)
            return true;
    return false;
}
