#include "outhook/http/request_headers.h"

#include "outhook/base/buffer.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/header.h"
#include "outhook/http/call.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SECRETS_USUAL = 4 };

static void headers_add(struct curl_slist **headers, const char *line) {
    struct curl_slist *longer = curl_slist_append(*headers, line);
    if (!longer)
        memory_exhausted();
    *headers = longer;
}

/* ---- ours ------------------------------------------------------------------------------------ */

/* The secrets that are still valid, newest first; returns how many. */
static int headers_secrets(const struct http_call *call, int64_t now_wall_ms,
                           struct signature_secret *secrets) {
    const struct endpoint *endpoint = call->endpoint;
    const struct http_policy *policy = call->policy;
    int count = 0;
    for (int i = 0; i < endpoint->secret_count; i++) {
        const struct endpoint_secret *secret = &endpoint->secrets[i];
        if (secret->expires_at > now_wall_ms)
            secrets[count++] = (struct signature_secret){
                .text = secret->secret, .key = secret->keyed ? &secret->key : NULL};
    }
    if (!count && !endpoint->name && policy->default_secret)
        secrets[count++] = (struct signature_secret){.text = policy->default_secret};
    return count;
}

static int headers_sign(const struct http_call *call, int64_t now_wall_ms, struct buffer *lines,
                        struct error *error) {
    const struct delivery *delivery = call->delivery;
    struct signature_secret usual[SECRETS_USUAL], *secrets = usual;
    if (call->endpoint->secret_count + 1 > SECRETS_USUAL)
        secrets = memory_new((size_t)call->endpoint->secret_count + 1, sizeof *secrets);
    struct signature_input input = {
        .uid = delivery->uid,
        .type = delivery->type,
        .timestamp_s = now_wall_ms / 1000,
        .body = delivery->payload,
        .body_bytes = delivery->payload_bytes,
    };
    int count = headers_secrets(call, now_wall_ms, secrets);
    int r = signature_append_keyed(lines, call->endpoint->signing, secrets, count, &input, error);
    if (secrets != usual)
        free(secrets);
    return r;
}

/* ---- other people's -------------------------------------------------------------------------- */

/* Whether one of the lines has the name that `line` (of `name_length`) begins with. */
static bool lines_name(const char *lines, const char *line, size_t name_length) {
    while (lines && *lines) {
        if (!strncasecmp(lines, line, name_length) && lines[name_length] == ':')
            return true;
        lines += strcspn(lines, "\n");
        lines += *lines == '\n';
    }
    return false;
}

/* libcurl takes "Name: value" as it stands, and "Name;" for an empty value. */
static void headers_add_line(struct curl_slist **headers, const char *line, size_t length,
                             size_t name_length) {
    char *text = memory_print("%.*s", (int)length, line);
    if (length <= name_length + 2) {
        text[name_length] = ';';
        text[name_length + 1] = '\0';
    }
    headers_add(headers, text);
    free(text);
}

/* Names and values were judged when the row was inserted; this is the last look before use. */
static bool line_is_clean(const char *line, size_t length, size_t name_length) {
    return name_length + 2 <= length && header_name_valid(line, name_length) &&
           header_value_valid(line + name_length + 2, length - name_length - 2) &&
           !header_is_ours(line, name_length);
}

/* Adds "Name: value\n" lines, but those named in `hidden_by`. */
static int headers_add_lines(struct curl_slist **headers, const char *lines, const char *hidden_by,
                             struct error *error) {
    while (lines && *lines) {
        size_t length = strcspn(lines, "\n"), name_length = strcspn(lines, ":\n");
        if (!line_is_clean(lines, length, name_length))
            return error_set(error, ERROR_USAGE,
                             "a header of the webhook or its endpoint can't be sent");
        if (!lines_name(hidden_by, lines, name_length))
            headers_add_line(headers, lines, length, name_length);
        lines += length;
        lines += *lines == '\n';
    }
    return 0;
}

/* What signature_append() and we have written, line by line. */
static void headers_add_ours(struct curl_slist **headers, struct buffer *lines) {
    for (char *line = lines->data, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        headers_add(headers, line);
    }
    headers_add(headers, "Expect:"); /* no 100-continue: many receivers stall on it */
}

int request_headers_make(const struct http_call *call, int64_t now_wall_ms,
                         struct curl_slist **headers, struct error *error) {
    const struct delivery *delivery = call->delivery;
    const char *type = delivery->content_type;
    struct buffer lines = {0};
    *headers = NULL;
    int r = headers_sign(call, now_wall_ms, &lines, error);
    if (!r && !header_value_valid(type, strlen(type)))
        r = error_set(error, ERROR_USAGE, "the webhook's content_type can't be sent");
    if (!r) {
        buffer_print(&lines, "Content-Type: %s\n", type);
        headers_add_ours(headers, &lines);
        r = headers_add_lines(headers, delivery->header_lines, NULL, error);
    }
    if (!r)
        r = headers_add_lines(headers, call->endpoint->header_lines, delivery->header_lines, error);
    buffer_free(&lines);
    return r;
}
