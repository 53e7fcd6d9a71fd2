#ifndef OUTHOOK_HTTP_PROXY_H
#define OUTHOOK_HTTP_PROXY_H

/*
 * The proxy that calls go through when the configuration names one; never one of the environment.
 *
 * What is connected to is then the proxy, which the operator chose, so its address is not judged.
 * Where a name leads is the proxy's to decide and to guard; an address that stands in a URL itself
 * is still judged here.
 */

#include "outhook/base/error.h"

#include <curl/curl.h>
#include <stdbool.h>

struct proxy {
    char *url; /* scheme, host and port */
    char *user, *password;
    char *host; /* as in struct target */
    int port;
    bool is_name;
};

/* Reads "http://[user:password@]host[:port]" or "socks5h://…", whose ports are 3128 and 1080 unless
 * given. *proxy is NULL for the empty text; freed with proxy_free(). An ERROR_USAGE never shows the
 * text, which may hold a password. */
int proxy_parse(const char *text, struct proxy **proxy, struct error *error) must_check;

/* Frees it, the password wiped. NULL is fine. */
void proxy_free(struct proxy *proxy);

/* Lets a handle use it. Without one (NULL) it uses none, whatever the environment says. */
void proxy_set(CURL *easy, const struct proxy *proxy);

#endif
