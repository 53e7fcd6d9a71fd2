#ifndef OUTHOOK_CLI_ENDPOINT_SETTINGS_H
#define OUTHOOK_CLI_ENDPOINT_SETTINGS_H

/*
 * The options that are an endpoint's settings, which add and set have in common.
 */

#include "outhook/cli/header_list.h"
#include "outhook/cli/option.h"
#include "outhook/store/endpoint_admin.h"

/* The settings' texts as they were typed; empty: back to the default. */
struct endpoint_options {
    const char *url, *description, *signing, *timeout, *connect_timeout, *max_attempts;
    const char *retry_schedule, *max_in_flight, *rate_limit, *rate_burst;
    const char *tls_ca_file, *tls_cert_file, *tls_key_file, *http_version;
    bool ordered, no_ordered, tls_insecure, no_tls_insecure, allow_private, no_allow_private;
    struct option_texts headers, subscribe, unsubscribe;
    const char *secret;
    bool json;
};

#define ENDPOINT_OPTION(name, argument, kind, field, help)                                         \
    { name, argument, kind, offsetof(struct endpoint_options, field), 0, 0, help }

/* The rows of an option table for struct endpoint_options. */
#define ENDPOINT_OPTIONS                                                                           \
    ENDPOINT_OPTION("signing", "FORMAT", OPTION_TEXT, signing,                                     \
                    "How calls are signed: standard (Standard Webhooks, the default), github, "    \
                    "stripe, shopify or none."),                                                   \
        ENDPOINT_OPTION("header", "'NAME: VALUE'", OPTION_TEXTS, headers,                          \
                        "A header of each request; may be given several times. Those given "       \
                        "replace all that there were."),                                           \
        ENDPOINT_OPTION("timeout", "DURATION", OPTION_TEXT, timeout,                               \
                        "The time a call may take to the last byte of the answer."),               \
        ENDPOINT_OPTION("connect-timeout", "DURATION", OPTION_TEXT, connect_timeout,               \
                        "The part of it for name lookup, TCP and TLS."),                           \
        ENDPOINT_OPTION("max-attempts", "N", OPTION_TEXT, max_attempts,                            \
                        "Attempts before a delivery has failed."),                                 \
        ENDPOINT_OPTION("retry-schedule", "'DURATION …'", OPTION_TEXT, retry_schedule,             \
                        "How long to wait after each failed attempt: '5s 1m 10m 1h'."),            \
        ENDPOINT_OPTION("max-in-flight", "N", OPTION_TEXT, max_in_flight,                          \
                        "Calls under way at once."),                                               \
        ENDPOINT_OPTION("rate-limit", "RATE", OPTION_TEXT, rate_limit,                             \
                        "Calls a second, such as 10 or 0.5."),                                     \
        ENDPOINT_OPTION("rate-burst", "N", OPTION_TEXT, rate_burst,                                \
                        "So many may come at once within the rate."),                              \
        ENDPOINT_OPTION("ordered", NULL, OPTION_FLAG, ordered,                                     \
                        "One delivery after the other, in order, each retried until it ends."),    \
        ENDPOINT_OPTION("description", "TEXT", OPTION_TEXT, description, "For people."),           \
        ENDPOINT_OPTION("tls-ca-file", "FILE", OPTION_TEXT, tls_ca_file,                           \
                        "The certificate authorities that it is held against; an absolute "        \
                        "path, as the next two."),                                                 \
        ENDPOINT_OPTION("tls-cert-file", "FILE", OPTION_TEXT, tls_cert_file,                       \
                        "A client certificate."),                                                  \
        ENDPOINT_OPTION("tls-key-file", "FILE", OPTION_TEXT, tls_key_file, "Its private key."),    \
        ENDPOINT_OPTION("tls-insecure", NULL, OPTION_FLAG, tls_insecure,                           \
                        "Accept any certificate, which protects nothing."),                        \
        ENDPOINT_OPTION("http-version", "1.1|2", OPTION_TEXT, http_version,                        \
                        "2: use HTTP/2 over https where the receiver speaks it."),                 \
        ENDPOINT_OPTION("allow-private", NULL, OPTION_FLAG, allow_private,                         \
                        "It may lie at a private address (10.0.0.0/8 …), if the configuration "  \
                        "permits that by permit_allow_private.")

/* Options as an edit of rows, and the memory that it needs. Starts as {0}. */
struct endpoint_settings {
    struct endpoint_edit edit;
    char *texts[ENDPOINT_SETTING_COUNT]; /* what isn't stored as it was typed */
};

/* Adds options to the edit. What is no number or no duration is refused with a sentence; the rest
 * is the schema's to judge. Freed with endpoint_settings_free(), also after an error. */
int endpoint_settings_read(struct database *database, const struct endpoint_options *options,
                           struct endpoint_settings *settings, struct error *error) must_check;

void endpoint_settings_free(struct endpoint_settings *settings);

/* Whether a setting is on or off. */
bool endpoint_setting_is_flag(int setting);

/* A setting as people write it ("15s"), appended; `text` is the column's. */
void endpoint_settings_print(struct buffer *line, int setting, const char *text);

#endif
