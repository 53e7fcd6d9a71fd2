#ifndef OUTHOOK_HTTP_TLS_ERROR_H
#define OUTHOOK_HTTP_TLS_ERROR_H

/*
 * What is wrong with a receiver's TLS, in a sentence that says what to do about it. libcurl's codes
 * and OpenSSL's verification results tell most of it; where only a text does, it is OpenSSL's,
 * whose words for alerts (RFC 8446, 6) have not changed in twenty years.
 */

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes the sentence, without "can't connect", when `code` is about TLS; else false. `detail` is
 * libcurl's own text. A worker's thread. */
bool tls_error_explain(CURL *easy, CURLcode code, const char *detail, char *text, size_t bytes);

#endif
