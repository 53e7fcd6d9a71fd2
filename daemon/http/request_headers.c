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

enum {
    SECRETS_USUAL = 4,
    LINES_BYTES_USUAL = 4096,
    EXPECT_BYTES = 64 << 10, /* libcurl asks for a 100-continue from 1 MB on */
};

/* libcurl would print CURLOPT_USERAGENT twice. */
static char user_agent[] = "User-Agent: outhook/" OUTHOOK_VERSION;

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
static void headers_add_line(struct request_headers *headers, const char *line, size_t length,
                             size_t name_length) {
    bool empty = length <= name_length + 2;
    buffer_append(&headers->lines, line, empty ? name_length : length);
    if (empty)
        buffer_append(&headers->lines, ";", 1);
    buffer_append(&headers->lines, "\n", 1);
}

/* Names and values were judged when the row was inserted; this is the last look before use. */
static bool line_is_clean(const char *line, size_t length, size_t name_length) {
    return name_length + 2 <= length && header_name_valid(line, name_length) &&
           header_value_valid(line + name_length + 2, length - name_length - 2) &&
           !header_is_ours(line, name_length);
}

/* Adds "Name: value\n" lines, but those named in `hidden_by`. */
static int headers_add_lines(struct request_headers *headers, const char *lines,
                             const char *hidden_by, struct error *error) {
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

static size_t count_lines(const char *lines) {
    size_t count = 0;
    for (; (lines = strchr(lines, '\n')); lines++)
        count++;
    return count;
}

/* Makes a list of our name and of the lines, each of which ends in a newline. */
static void headers_link(struct request_headers *headers) {
    size_t count = count_lines(buffer_text(&headers->lines)) + 1, i = 1;
    if (count > headers->node_room) {
        headers->nodes = memory_resize(headers->nodes, count, sizeof *headers->nodes);
        headers->node_room = count;
    }
    headers->nodes[0] = (struct curl_slist){.data = user_agent, .next = &headers->nodes[1]};
    for (char *line = headers->lines.data, *end; i < count; line = end + 1, i++) {
        end = strchr(line, '\n');
        *end = '\0';
        headers->nodes[i] = (struct curl_slist){
            .data = line, .next = i + 1 < count ? &headers->nodes[i + 1] : NULL};
    }
    headers->list = headers->nodes;
}

static int headers_write(struct request_headers *headers, const struct http_call *call,
                         int64_t now_wall_ms, struct error *error) {
    const struct delivery *delivery = call->delivery;
    const char *type = delivery->content_type;
    int r = headers_sign(call, now_wall_ms, &headers->lines, error);
    if (r)
        return r;
    if (!header_value_valid(type, strlen(type)))
        return error_set(error, ERROR_USAGE, "the webhook's content_type can't be sent");
    buffer_append_text(&headers->lines, "Content-Type: ");
    buffer_append_text(&headers->lines, type);
    buffer_append_text(&headers->lines, "\n");
    if (delivery->payload_bytes >= EXPECT_BYTES) /* many receivers stall on it */
        buffer_print(&headers->lines, "Expect:\n");
    r = headers_add_lines(headers, delivery->header_lines, NULL, error);
    return r ? r
             : headers_add_lines(headers, call->endpoint->header_lines, delivery->header_lines,
                                 error);
}

int request_headers_make(struct request_headers *headers, const struct http_call *call,
                         int64_t now_wall_ms, struct error *error) {
    request_headers_clear(headers);
    int r = headers_write(headers, call, now_wall_ms, error);
    if (r)
        request_headers_clear(headers);
    else
        headers_link(headers);
    return r;
}

void request_headers_clear(struct request_headers *headers) {
    headers->list = NULL;
    buffer_clear(&headers->lines);
    if (headers->lines.capacity > LINES_BYTES_USUAL)
        request_headers_free(headers);
}

void request_headers_free(struct request_headers *headers) {
    free(headers->nodes);
    buffer_free(&headers->lines);
    *headers = (struct request_headers){0};
}
