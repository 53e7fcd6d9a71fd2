#ifndef OUTHOOK_RUNTIME_CONFIG_H
#define OUTHOOK_RUNTIME_CONFIG_H

/*
 * The settings, from one table: SETTINGS below is the struct's fields, the parser, the ranges, the
 * defaults, what a reload may change, and the documentation (`outhookd --help-settings`). A test
 * holds the sample configuration and the README against it.
 *
 * A value comes from the default, then the file, then --set, the last one wins. What is secret and
 * left empty in the file may come from the service manager's credential of that name. One thread.
 */

#include "outhook/base/duration.h"
#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_DEFAULT_FILE "/etc/outhook/outhookd.conf"

/* The types: DURATION "30s" in ms; INTEGER; BYTES "64K", "32M"; TEXT; SCHEDULE "5s 30s 2m";
 * CHOICE, one of the words in `words`. Ranges of TEXT are lengths.
 *
 * X(name, TYPE, default, least, most, words, applies, documentation) */
#define SETTINGS(X)                                                                                \
    X(database, TEXT, "/var/lib/outhook/outhook.db", 1, 4000, NULL, AT_START,                      \
      "The database file. Its directory must be writable, too.")                                   \
    X(workers, INTEGER, "2", 1, 64, NULL, AT_START,                                                \
      "Threads that make HTTP calls, each with many calls under way at once.")                     \
    X(max_in_flight, INTEGER, "512", 1, 10000, NULL, AT_START,                                     \
      "Calls under way at once, over all workers.")                                                \
    X(max_unwritten, INTEGER, "1024", 1, 100000, NULL, AT_RELOAD,                                  \
      "Outcomes of calls that are not yet in the database, beyond which no call is begun; after "  \
      "a crash, these deliveries and those in flight are repeated.")                               \
    X(max_loaded, INTEGER, "4096", 1, 100000, NULL, AT_START,                                      \
      "Deliveries held in memory; the rest waits on disk.")                                        \
    X(max_loaded_bytes, BYTES, "32M", 4096, 4294967296, NULL, AT_START,                            \
      "Payload bytes held in memory; at least max_payload_bytes.")                                 \
    X(max_pending, INTEGER, "10000000", 1, 1000000000, NULL, AT_RELOAD,                            \
      "Pending deliveries in the database, from which on an INSERT is refused.")                   \
    X(max_payload_bytes, BYTES, "16M", 1, 536870912, NULL, AT_RELOAD,                              \
      "The largest payload that an INSERT may bring.")                                             \
    X(retain_delivered, DURATION, "7d", 0, 315360000000, NULL, AT_RELOAD,                          \
      "How long deliveries are kept after they have arrived, and webhooks that went nowhere; 0s "  \
      "keeps them for ever.")                                                                      \
    X(retain_failed, DURATION, "30d", 0, 315360000000, NULL, AT_RELOAD,                            \
      "How long deliveries are kept that failed, expired or were cancelled; 0s: for ever.")        \
    X(retain_attempts, DURATION, "30d", 0, 315360000000, NULL, AT_RELOAD,                          \
      "How long the record of an attempt is kept, at most as long as its delivery; 0s: as long.")  \
    X(timeout, DURATION, "15s", 1, 600000, NULL, AT_RELOAD,                                        \
      "The time a call may take from start to the last byte of the answer.")                       \
    X(connect_timeout, DURATION, "5s", 1, 600000, NULL, AT_RELOAD,                                 \
      "The part of it for name lookup, TCP and TLS.")                                              \
    X(lookup_cache, DURATION, "60s", 0, 3600000, NULL, AT_RELOAD,                                  \
      "How long a host name's addresses are used before they are looked up again.")                \
    X(max_lookups, INTEGER, "128", 1, 1000, NULL, AT_START,                                        \
      "Host names looked up at once; each takes a thread until it is answered.")                   \
    X(max_attempts, INTEGER, "11", 1, 1000, NULL, AT_RELOAD,                                       \
      "Attempts before a delivery has failed.")                                                    \
    X(retry_schedule, SCHEDULE, "5s 30s 2m 10m 30m 1h 3h 6h 12h 24h", 0, 0, NULL, AT_RELOAD,       \
      "How long to wait after each failed attempt; the last one repeats.")                         \
    X(retry_jitter, INTEGER, "20", 0, 50, NULL, AT_RELOAD,                                         \
      "Percent by which each wait is made longer or shorter at random.")                           \
    X(retry_after_max, DURATION, "24h", 0, 604800000, NULL, AT_RELOAD,                             \
      "The longest wait a receiver may ask for by Retry-After.")                                   \
    X(endpoint_max_in_flight, INTEGER, "20", 1, 1000, NULL, AT_RELOAD,                             \
      "Calls under way at once to one endpoint, once it has proven able to answer.")               \
    X(origin_max_in_flight, INTEGER, "384", 1, 10000, NULL, AT_RELOAD,                             \
      "Calls under way at once to one host and port, whatever the endpoints; never more than "     \
      "three quarters of max_in_flight.")                                                          \
    X(breaker_failures, INTEGER, "5", 1, 1000, NULL, AT_RELOAD,                                    \
      "Failed calls in a row after which an endpoint is left alone for a while.")                  \
    X(breaker_open, DURATION, "30s", 1, 86400000, NULL, AT_RELOAD,                                 \
      "That while; it doubles each time the next call fails as well.")                             \
    X(breaker_open_max, DURATION, "30m", 1, 86400000, NULL, AT_RELOAD, "The longest such while.")  \
    X(disable_after, DURATION, "5d", 0, 31536000000, NULL, AT_RELOAD,                              \
      "How long an endpoint may fail without one success before it is disabled; 0s: never.")       \
    X(max_response_bytes, BYTES, "64K", 0, 1073741824, NULL, AT_RELOAD,                            \
      "Bytes of an answer's body that are read before the call is cut off.")                       \
    X(keep_response_bytes, BYTES, "4K", 0, 1048576, NULL, AT_RELOAD,                               \
      "Bytes of an answer's headers, and of its body, that are kept with the attempt.")            \
    X(drain_timeout, DURATION, "30s", 0, 3600000, NULL, AT_RELOAD,                                 \
      "How long calls under way may take to end when the daemon is stopped.")                      \
    X(allow_networks, TEXT, "", 0, 10000, NULL, AT_RELOAD,                                         \
      "Networks that may be called although they are not public, such as 127.0.0.0/8 fd00::/8.")   \
    X(deny_networks, TEXT, "", 0, 10000, NULL, AT_RELOAD,                                          \
      "Networks that may never be called; wins over allow_networks.")                              \
    X(permit_allow_private, CHOICE, "no", 0, 0, "no yes", AT_RELOAD,                               \
      "Whether allow_private of an endpoint counts, which lets it lie at a private address "       \
      "(10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7): no or yes.")                         \
    X(proxy, TEXT, "", 0, 2000, NULL, AT_RELOAD,                                                   \
      "Calls go through this proxy, http://[USER:PASSWORD@]HOST:PORT or socks5h://...; it then "   \
      "decides where host names lead. Empty: the credential proxy of the service manager, or "     \
      "none.")                                                                                     \
    X(ca_file, TEXT, "/etc/ssl/certs/ca-certificates.crt", 1, 4000, NULL, AT_RELOAD,               \
      "The certificate authorities that https receivers are held against.")                        \
    X(default_secret, TEXT, "", 0, 500, NULL, AT_RELOAD,                                           \
      "Signs calls to bare URLs; empty: the credential default_secret of the service manager, or " \
      "else they are unsigned.")                                                                   \
    X(secret_key_file, TEXT, "", 0, 4000, NULL, AT_RELOAD,                                         \
      "The keys that seal endpoint secrets in the database; empty: the credential secret_key of "  \
      "the service manager, or else secrets stand there as plain text.")                           \
    X(database_cache_bytes, BYTES, "8M", 65536, 4294967296, NULL, AT_START,                       \
      "SQLite's page cache in the daemon.")                                                        \
    X(log_level, CHOICE, "info", 0, 0, "error warning info debug", AT_RELOAD,                      \
      "The least important lines that are logged: error, warning, info or debug.")                 \
    X(log_attempts_per_second, INTEGER, "200", 0, 1000000, NULL, AT_RELOAD,                        \
      "Lines about attempts a second; what is over is counted in one line.")

#define CONFIG_C_TYPE_DURATION int64_t
#define CONFIG_C_TYPE_INTEGER int64_t
#define CONFIG_C_TYPE_BYTES int64_t
#define CONFIG_C_TYPE_TEXT char *
#define CONFIG_C_TYPE_SCHEDULE struct durations
#define CONFIG_C_TYPE_CHOICE int64_t

struct config {
#define SETTING_FIELD(name, type, initial, least, most, words, applies, documentation)             \
    CONFIG_C_TYPE_##type name;
    SETTINGS(SETTING_FIELD)
#undef SETTING_FIELD
};

/* One `--set name=value`. */
struct config_override {
    const char *text;
};

/* Fills `config` from the defaults, then `path`, then `overrides` in order. `path` NULL means the
 * default file, which may be missing. On an error nothing is kept: the sentence names the file,
 * line and setting, and what is allowed. Freed with config_free(). */
int config_load(struct config *config, const char *path, const struct config_override *overrides,
                int override_count, struct error *error) must_check;

void config_free(struct config *config);

/* Puts the settings of `fresh` that a reload may change into `config`, and frees the rest. Calls
 * `kept` (may be NULL) with the name of each changed setting that waits for a restart. */
void config_reload(struct config *config, struct config *fresh,
                   void (*kept)(const char *name, void *context), void *context);

/* Prints every setting with its default, range and documentation, as a configuration file. */
void config_print_help(FILE *file);

/* Prints every setting with its value, secrets hidden. */
void config_print(const struct config *config, FILE *file);

#endif
