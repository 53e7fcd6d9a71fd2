#include "outhook/http/proxy.h"

#include "outhook/base/memory.h"
#include "outhook/http/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HTTP_PORT = 3128, SOCKS_PORT = 1080 };

static char *part(CURLU *url, CURLUPart what, unsigned flags) {
    char *text = NULL;
    if (curl_url_get(url, what, &text, flags))
        return NULL;
    char *copy = memory_copy_string(text);
    curl_free(text);
    return copy;
}

/* Of http and socks5h; 0 for any other. (socks5 would look names up here, and not at the proxy.) */
static int default_port(const char *scheme) {
    return !scheme                      ? 0
           : !strcmp(scheme, "http")    ? HTTP_PORT
           : !strcmp(scheme, "socks5h") ? SOCKS_PORT
                                        : 0;
}

static bool proxy_read(struct proxy *proxy, CURLU *url) {
    char *scheme = part(url, CURLUPART_SCHEME, 0), *port = part(url, CURLUPART_PORT, 0);
    proxy->host = part(url, CURLUPART_HOST, 0);
    proxy->user = part(url, CURLUPART_USER, CURLU_URLDECODE);
    proxy->password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
    proxy->port = port ? (int)strtol(port, NULL, 10) : default_port(scheme);
    bool good = default_port(scheme) && proxy->host;
    if (good)
        proxy->url = memory_print("%s://%s:%d", scheme, proxy->host, proxy->port);
    free(scheme);
    free(port);
    return good;
}

int proxy_parse(const char *text, struct proxy **proxy, struct error *error) {
    *proxy = NULL;
    if (!*text)
        return 0;
    CURLU *url = curl_url();
    if (!url)
        memory_exhausted();
    *proxy = new (struct proxy);
    bool good = !curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) &&
                proxy_read(*proxy, url);
    curl_url_cleanup(url);
    if (good) {
        (*proxy)->is_name = host_is_name((*proxy)->host);
        return 0;
    }
    proxy_free(*proxy);
    *proxy = NULL;
    return error_set(error, ERROR_USAGE,
                     "it has to be http://HOST:PORT or socks5h://HOST:PORT, with USER:PASSWORD@ "
                     "before the host if it needs that");
}

void proxy_free(struct proxy *proxy) {
    if (!proxy)
        return;
    if (proxy->password)
        explicit_bzero(proxy->password, strlen(proxy->password));
    free(proxy->url);
    free(proxy->user);
    free(proxy->password);
    free(proxy->host);
    free(proxy);
}

void proxy_set(CURL *easy, const struct proxy *proxy) {
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy->url : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, proxy ? proxy->user : NULL);
    curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, proxy ? proxy->password : NULL);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* they are no answer */
}
