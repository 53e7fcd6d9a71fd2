#include "outhook/http/tls_error.h"

#include <stdio.h>
#include <string.h>

/* OpenSSL's X509_V_ERR_…, from openssl/x509_vfy.h, of which libcurl gives the number. */
static const struct verification {
    long result;
    const char *sentence;
} verifications[] = {
    {9, "its certificate is not valid yet: its clock or ours is wrong"},
    {10, "its certificate has expired: it has to renew it"},
    {18, "its certificate is self-signed: name it as tls_ca_file of the endpoint if you trust it"},
    {19, "its certificate chain ends in an authority that is not trusted: name that as tls_ca_file "
         "of the endpoint if you trust it"},
    {20,
     "its certificate is of an authority that is not trusted, or it leaves out the certificates "
     "in between: name the authority as tls_ca_file of the endpoint if you trust it"},
    {21, "its certificate is of an authority that is not trusted: name that as tls_ca_file of the "
         "endpoint if you trust it"},
    {23, "its certificate was revoked: it has to get a new one"},
    {62, "its certificate is for another host name"},
    {66, "its certificate's key is too weak: it has to get a new one"},
    {67, "an authority's key in its certificate chain is too weak"},
    {68, "its certificate is signed with an algorithm that is too weak"},
};

static const char *verification_sentence(CURL *easy) {
    long result = 0;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &result);
    for (size_t i = 0; i < sizeof verifications / sizeof *verifications; i++)
        if (verifications[i].result == result)
            return verifications[i].sentence;
    /* The name is checked by libcurl itself, before it asks for the result, which stays "not OK".
     */
    return result > 1 ? "its certificate does not hold"
                      : "its certificate is for another host name";
}

static const struct alert {
    const char *words; /* of OpenSSL's text */
    const char *sentence;
} alerts[] = {
    {"certificate required", "it wants a client certificate: set tls_cert_file and tls_key_file"},
    {"wrong version number",
     "it does not speak TLS on this port: should the url begin with http://?"},
    {"packet length too long",
     "it does not speak TLS on this port: should the url begin with http://?"},
    {"protocol version", "it speaks no TLS version that is safe: 1.2 is the least"},
    {"unsupported protocol", "it speaks no TLS version that is safe: 1.2 is the least"},
    {"unknown ca", "it does not trust the client certificate of tls_cert_file"},
    {"bad certificate", "it refuses the client certificate of tls_cert_file"},
    {"certificate expired", "the client certificate of tls_cert_file has expired"},
    {"unrecognized name", "it knows no host of that name"},
};

static const char *alert_sentence(const char *detail) {
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (strstr(detail, alerts[i].words))
            return alerts[i].sentence;
    return NULL;
}

static const char *tls_sentence(CURL *easy, CURLcode code, const char *detail) {
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return verification_sentence(easy);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_RECV_ERROR: /* with TLS 1.3 the client's certificate is judged after the handshake */
    case CURLE_SEND_ERROR:
        return alert_sentence(detail);
    case CURLE_SSL_CERTPROBLEM:
        return "the client certificate can't be used: tls_cert_file and tls_key_file have to be "
               "PEM files that outhookd may read, and belong together";
    case CURLE_SSL_CACERT_BADFILE:
        return "the authorities can't be read: tls_ca_file (or ca_file of the configuration) has "
               "to "
               "be a PEM file that outhookd may read";
    default:
        return NULL;
    }
}

bool tls_error_explain(CURL *easy, CURLcode code, const char *detail, char *text, size_t bytes) {
    const char *sentence = tls_sentence(easy, code, detail);
    if (!sentence)
        return false;
    snprintf(text, bytes, "%s (%s)", sentence, detail);
    return true;
}
