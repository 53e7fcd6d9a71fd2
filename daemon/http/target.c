#include "outhook/http/target.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool host_is_address(const char *host) {
    struct in_addr v4;
    return *host == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

/* libcurl answers these itself, with loopback. */
static bool host_is_local(const char *host) {
    static const char local[] = "localhost";
    size_t length = strlen(host), local_length = sizeof local - 1;
    if (length < local_length || strcmp(host + length - local_length, local) != 0)
        return false;
    return length == local_length || host[length - local_length - 1] == '.';
}

bool host_is_name(const char *host) {
    return !host_is_address(host) && !host_is_local(host);
}

/* As inet_aton(3) reads numbers: 127, 0177, 0x7f, and 0x. */
static bool part_is_number(const char *part) {
    bool hexadecimal = !strncmp(part, "0x", 2);
    const char *digits = hexadecimal ? part + 2 : part;
    return *part && !digits[strspn(digits, hexadecimal ? "0123456789abcdef" : "0123456789")];
}

bool target_is_ambiguous(const struct target *target) {
    char *host = memory_copy_string(target->host);
    size_t length = strlen(host);
    while (length && host[length - 1] == '.')
        host[--length] = '\0';
    const char *dot = strrchr(host, '.');
    bool is = target->is_name && (host_is_local(host) || part_is_number(dot ? dot + 1 : host));
    free(host);
    return is;
}

static bool host_is_printable(const char *host) {
    for (; *host; host++)
        if (*host <= ' ' || *host > '~')
            return false;
    return true;
}

static CURLUcode target_read_host(struct target *target) {
    char *host = NULL;
    CURLUcode code = curl_url_get(target->url, CURLUPART_HOST, &host, 0);
    if (code)
        return code;
    target->host = memory_copy_string(host);
    curl_free(host);
    if (!host_is_printable(target->host))
        return CURLUE_BAD_HOSTNAME;
    for (char *c = target->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    target->is_name = host_is_name(target->host);
    return CURLUE_OK;
}

static CURLUcode target_read_port(struct target *target) {
    char *port = NULL;
    CURLUcode code = curl_url_get(target->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (code)
        return code;
    target->port = (int)strtol(port, NULL, 10);
    curl_free(port);
    return CURLUE_OK;
}

/* Whether a text is a URL that says where it leads. libcurl would guess a scheme that is missing,
 * and take one slash, or three, for two. And it decodes a host after it has looked whether that is
 * a number, so that 0x%37f.1 would pass for a name, which the system then takes for loopback. */
static bool text_says_where(const char *text) {
    static const char *const starts[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t length = strlen(starts[i]);
        if (strncasecmp(text, starts[i], length) != 0)
            continue;
        const char *authority = text + length;
        size_t end = strcspn(authority, "/?#\\");
        return end && (*authority == '[' || !memchr(authority, '%', end));
    }
    return false;
}

static CURLUcode target_read(struct target *target, const char *text) {
    CURLUcode code =
        curl_url_set(target->url, CURLUPART_URL, text, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
    if (!code)
        code = target_read_host(target);
    return code ? code : target_read_port(target);
}

int target_parse(const char *text, struct target *target, struct error *error) {
    if (!text_says_where(text)) {
        *target = (struct target){0};
        return error_set(error, ERROR_USAGE,
                         "the URL can't be used: it has to begin with http:// or https:// and a "
                         "host, without percent-encoding");
    }
    *target = (struct target){.url = curl_url()};
    if (!target->url)
        memory_exhausted();
    target->is_secure = !strncasecmp(text, "https:", strlen("https:"));
    CURLUcode code = target_read(target, text);
    if (!code)
        return 0;
    target_free(target);
    return error_set(error, ERROR_USAGE, "the URL can't be used: %s", curl_url_strerror(code));
}

void target_address(const struct target *target, struct sockaddr_storage *address) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char text[INET6_ADDRSTRLEN] = "";
    *address = (struct sockaddr_storage){0};
    if (*target->host == '[') {
        size_t length = strcspn(target->host + 1, "]%");
        memcpy(text, target->host + 1, length < sizeof text ? length : sizeof text - 1);
        inet_pton(AF_INET6, text,
                  &v6.sin6_addr); /* what can't be read stays ::, which is refused */
        memcpy(address, &v6, sizeof v6);
        return;
    }
    inet_pton(AF_INET, target->host, &v4.sin_addr); /* else it is localhost */
    memcpy(address, &v4, sizeof v4);
}

void target_free(struct target *target) {
    curl_url_cleanup(target->url);
    free(target->host);
    *target = (struct target){0};
}

/* ---- an endpoint's --------------------------------------------------------------------------- */

static void target_delete(struct target *target) {
    target_free(target);
    free(target);
}

const struct target *target_of(struct endpoint *endpoint, struct error *error) {
    if (endpoint->target)
        return endpoint->target;
    struct target *target = new (struct target);
    if (target_parse(endpoint->url, target, error)) {
        free(target);
        return NULL;
    }
    endpoint->target = target;
    endpoint->target_free = target_delete;
    return target;
}
