#include "outhook/http/transfer.h"

#include "outhook/base/memory.h"
#include "outhook/base/utf8.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/http/call.h"
#include "outhook/http/socket_set.h"
#include "outhook/http/transfer_end.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BUFFER_BYTES = 4096, RESPONSE_BYTES_USUAL = 1024 };

struct transfer *transfer_new(struct socket_set *sockets) {
    struct transfer *transfer = new (struct transfer);
    transfer->sockets = sockets;
    list_init(&transfer->link);
    transfer->socket = CURL_SOCKET_BAD;
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        memory_exhausted();
    return transfer;
}

/* What points to the call that has ended. */
static void transfer_let_go(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_CURLU, NULL);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
}

static void transfer_clear_options(struct transfer *transfer) {
    curl_easy_reset(transfer->easy);
    transfer->has_options = transfer->has_proxy = false;
}

static void transfer_clear(struct transfer *transfer, bool keeps_options) {
    if (keeps_options)
        transfer_let_go(transfer);
    else
        transfer_clear_options(transfer);
    transfer->has_options = keeps_options;
    curl_slist_free_all(transfer->addresses);
    request_headers_clear(&transfer->headers);
    buffer_reuse(&transfer->response_headers, RESPONSE_BYTES_USUAL);
    buffer_reuse(&transfer->response_body, RESPONSE_BYTES_USUAL);
    transfer->addresses = NULL;
    transfer->call = NULL;
    transfer->response_bytes = 0;
    transfer->response_cut = transfer->headers_ended = transfer->flooded = false;
    transfer->flood = (struct flood){0};
    transfer->socket = CURL_SOCKET_BAD;
    transfer->socket_errno = 0;
    transfer->refusal[0] = transfer->curl_error[0] = '\0';
}

void transfer_free(struct transfer *transfer) {
    transfer_clear(transfer, false);
    request_headers_free(&transfer->headers);
    buffer_free(&transfer->response_headers);
    buffer_free(&transfer->response_body);
    curl_easy_cleanup(transfer->easy);
    free(transfer);
}

/* ---- where it may go ------------------------------------------------------------------------- */

static bool transfer_may_connect(struct transfer *transfer, const struct sockaddr *address,
                                 const char *text) {
    const struct http_call *call = transfer->call;
    const char *refusal =
        address_policy_refusal(&call->policy->addresses, address, call->endpoint->allow_private);
    transfer->refusal[0] = '\0';         /* of another address of the same host, tried before */
    if (!refusal || call->policy->proxy) /* it is the proxy's address, which the operator chose */
        return true;
    snprintf(transfer->refusal, sizeof transfer->refusal, "%s is refused: %s%s", text, refusal,
             address_policy_remedy(refusal));
    return false;
}

/* Called with the very address that is about to be connected, for each that is tried. */
static curl_socket_t transfer_open_socket(void *context, curlsocktype purpose,
                                          struct curl_sockaddr *address) {
    (void)purpose;
    char text[INET6_ADDRSTRLEN] = "this address";
    const void *bytes =
        address->family == AF_INET
            ? (const void *)&((struct sockaddr_in *)(void *)&address->addr)->sin_addr
            : &((struct sockaddr_in6 *)(void *)&address->addr)->sin6_addr;
    inet_ntop(address->family, bytes, text, sizeof text);
    struct transfer *transfer = context;
    if (!transfer_may_connect(transfer, &address->addr, text))
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    transfer->socket_errno = fd < 0 ? errno : 0;
    if (fd >= 0)
        socket_set_opened(transfer->sockets, fd);
    return fd;
}

/* Called before the request is sent, on a reused connection, too, for which no socket is opened. */
static int transfer_before_request(void *context, char *remote_ip, char *local_ip, int remote_port,
                                   int local_port) {
    (void)local_ip, (void)remote_port, (void)local_port;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr *address = NULL;
    if (inet_pton(AF_INET, remote_ip, &v4.sin_addr) == 1)
        address = (const struct sockaddr *)(const void *)&v4;
    else if (inet_pton(AF_INET6, remote_ip, &v6.sin6_addr) == 1)
        address = (const struct sockaddr *)(const void *)&v6;
    return address && transfer_may_connect(context, address, remote_ip) ? CURL_PREREQFUNC_OK
                                                                        : CURL_PREREQFUNC_ABORT;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void keep_bytes(struct buffer *buffer, const char *bytes, size_t length, int64_t most) {
    size_t room = (size_t)most > buffer->length ? (size_t)most - buffer->length : 0;
    buffer_append(buffer, bytes, length < room ? length : room);
}

static size_t transfer_take_header(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    if (size * count >= 5 && !memcmp(bytes, "HTTP/", 5)) {
        buffer_clear(&transfer->response_headers); /* what came before was a 1xx */
        transfer->headers_ended = false;
    } else if (*bytes == '\r' || *bytes == '\n') {
        transfer->headers_ended = true;
    }
    keep_bytes(&transfer->response_headers, bytes, size * count,
               transfer->call->policy->keep_response_bytes);
    return size * count;
}

static size_t transfer_take_body(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    const struct http_policy *policy = transfer->call->policy;
    keep_bytes(&transfer->response_body, bytes, size * count, policy->keep_response_bytes);
    transfer->response_bytes += (curl_off_t)(size * count);
    transfer->response_cut = transfer->response_bytes > policy->max_response_bytes;
    return transfer->response_cut ? 0 : size * count;
}

/* Whether the call may have its connection together with others: HTTP/2 for those who chose it,
 * over https (RFC 9113, 3.2: by ALPN). */
static bool transfer_may_share(const struct transfer *transfer) {
    return transfer->call->endpoint->http2 && transfer->call->target->is_secure;
}

/* Called in each turn; not 0 ends the call. Over HTTP/2 the connection's bytes are those of other
 * calls as well, so that there only the timeout ends what hides between the frames of a body. */
static int transfer_on_progress(void *context, curl_off_t down_total, curl_off_t down,
                                curl_off_t up_total, curl_off_t up) {
    struct transfer *transfer = context;
    (void)down_total, (void)down, (void)up_total, (void)up;
    transfer->flooded =
        !transfer_may_share(transfer) &&
        flood_found(&transfer->flood, transfer->socket, transfer->call->policy->max_response_bytes);
    return transfer->flooded;
}

/* ---- the request ----------------------------------------------------------------------------- */

/* libcurl is told the addresses beforehand, so that it has nothing to look up: that would be a
 * thread for each call. The entry replaces the one of an earlier call to this host and port, and
 * with its + it goes by itself when libcurl's own time (60 s) is over. */
static void transfer_set_addresses(struct transfer *transfer) {
    const struct http_call *call = transfer->call;
    const struct proxy *proxy = call->policy->proxy;
    char *entry;
    if (!call->addresses)
        return; /* the last call has left none */
    entry = memory_print("+%s:%d:%s", proxy ? proxy->host : call->target->host,
                         proxy ? proxy->port : call->target->port, call->addresses);
    transfer->addresses = curl_slist_append(NULL, entry);
    free(entry);
    if (!transfer->addresses)
        memory_exhausted();
    curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, transfer->addresses);
}

/* Called before libcurl resolves, also what is only written as a name: an address, localhost. */
static int transfer_before_lookup(void *resolver_state, void *reserved, void *context) {
    const struct transfer *transfer = context;
    (void)resolver_state, (void)reserved;
    const struct proxy *proxy = transfer->call->policy->proxy;
    return proxy ? proxy->is_name : transfer->call->target->is_name; /* not 0: it must not */
}

/* What libcurl would do by default, for other programs' sake, and must not do here: proxies of the
 * environment, waiting for resolver threads, reading 144 certificates for each connection, asking
 * on the terminal for a key's password. */
static void transfer_set_manners(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    proxy_set(easy, NULL); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

static void transfer_set_callbacks(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, transfer_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, transfer_before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, transfer_before_lookup);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, transfer_on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
}

/* With HTTP/2 a call waits until it is known whether the connection that is being made can take it,
 * too. Over http that is known by the answer only, for which all the others would wait. */
static void transfer_set_version(struct transfer *transfer) {
    bool http2 = transfer_may_share(transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION,
                     (long)(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(transfer->easy, CURLOPT_PIPEWAIT, (long)http2);
}

static void transfer_set_tls(struct transfer *transfer) {
    const struct endpoint *endpoint = transfer->call->endpoint;
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_CAINFO,
                     endpoint->tls_ca_file ? endpoint->tls_ca_file
                                           : transfer->call->policy->ca_file);
    curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->tls_cert_file);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->tls_key_file);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, endpoint->tls_insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, endpoint->tls_insecure ? 0L : 2L);
}

/* What is left of a limit; never 0, which would stand for none. */
static long transfer_left_ms(const struct http_call *call, int64_t limit_ms) {
    return limit_ms > call->waited_ms ? (long)(limit_ms - call->waited_ms) : 1;
}

static void transfer_set_limits(struct transfer *transfer) {
    const struct http_call *call = transfer->call;
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
                     transfer_left_ms(call, http_call_timeout_ms(call)));
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     transfer_left_ms(call, http_call_connect_timeout_ms(call)));
}

static int transfer_set_request(struct transfer *transfer, struct error *error) {
    const struct delivery *delivery = transfer->call->delivery;
    CURL *easy = transfer->easy;
    int r = request_headers_make(&transfer->headers, transfer->call,
                                 transfer->call->outcome.started_at, error);
    if (r)
        return r;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.list);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)delivery->payload_bytes);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, delivery->payload);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
                     strcmp(delivery->method, "POST") ? delivery->method : NULL);
    return 0;
}

static void transfer_set_proxy(struct transfer *transfer) {
    const struct proxy *proxy = transfer->call->policy->proxy;
    if (proxy || transfer->has_proxy)
        proxy_set(transfer->easy, proxy);
    transfer->has_proxy = proxy;
}

static void transfer_set_target(struct transfer *transfer) {
    curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->call->target->url);
    transfer_set_addresses(transfer);
}

static int transfer_set_up(struct transfer *transfer, struct error *error) {
    if (!transfer->call->delivery->uid)
        return error_set(error, ERROR_USAGE,
                         "the webhook's row is gone, so there is nothing to send");
    if (!endpoint_can_sign(transfer->call->endpoint, transfer->call->outcome.started_at))
        return error_set(error, ERROR_FAILED,
                         "the endpoint's last secret has just expired, so it can't be signed");
    if (!transfer->has_options) {
        transfer_set_manners(transfer);
        transfer_set_callbacks(transfer);
    }
    transfer_set_proxy(transfer);
    transfer_set_limits(transfer);
    transfer_set_version(transfer);
    if (transfer->call->target->is_secure)
        transfer_set_tls(transfer);
    transfer_set_target(transfer);
    return transfer_set_request(transfer, error);
}

bool transfer_start(struct transfer *transfer, struct http_call *call) {
    struct error error = {0};
    transfer->call = call;
    int r = transfer_set_up(transfer, &error);
    if (!r)
        return true;
    /* What is wrong with the webhook stays so; what libcrypto can't do now, it may do later. */
    call->outcome.verdict = r == ERROR_USAGE ? VERDICT_INVALID : VERDICT_UNREACHABLE;
    call->outcome.error = memory_copy_string(error.text);
    transfer_clear(transfer, false);
    return false;
}

void transfer_withdraw(struct transfer *transfer) {
    transfer_clear(transfer, true);
}

/* Headers may hold any byte, or be cut within a character; where they are kept is for text. */
static char *transfer_headers_text(const struct buffer *headers) {
    struct buffer text = {0};
    if (!headers->length)
        return NULL;
    if (utf8_is_ascii(headers->data, headers->length))
        return memory_copy_string(headers->data);
    utf8_append(&text, headers->data, headers->length);
    return text.data;
}

void transfer_finish(struct transfer *transfer, CURLcode code) {
    struct outcome *outcome = &transfer->call->outcome;
    transfer_judge(transfer, code, outcome);
    outcome->response_headers = transfer_headers_text(&transfer->response_headers);
    if (transfer->response_body.length) {
        outcome->response_body_bytes = transfer->response_body.length;
        outcome->response_body = memory_new(outcome->response_body_bytes, 1);
        memcpy(outcome->response_body, transfer->response_body.data, outcome->response_body_bytes);
    }
    transfer_clear(transfer, code == CURLE_OK);
}

void transfer_abort(struct transfer *transfer) {
    transfer->call->outcome.verdict = VERDICT_ABORTED;
    transfer_clear(transfer, false);
}
