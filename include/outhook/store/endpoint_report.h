#ifndef OUTHOOK_STORE_ENDPOINT_REPORT_H
#define OUTHOOK_STORE_ENDPOINT_REPORT_H

/*
 * Reading what the database knows of endpoints, for people. Everything is copied out before it
 * returns. Times are ms since 1970; 0 stands for NULL.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

/* The columns of endpoints that are settings. X(NAME, column) */
#define ENDPOINT_SETTINGS(X)                                                                       \
    X(URL, "url")                                                                                  \
    X(DESCRIPTION, "description")                                                                  \
    X(SIGNING, "signing")                                                                          \
    X(HEADERS, "headers")                                                                          \
    X(TIMEOUT, "timeout_ms")                                                                       \
    X(CONNECT_TIMEOUT, "connect_timeout_ms")                                                       \
    X(MAX_ATTEMPTS, "max_attempts")                                                                \
    X(RETRY_SCHEDULE, "retry_schedule")                                                            \
    X(MAX_IN_FLIGHT, "max_in_flight")                                                              \
    X(RATE_LIMIT, "rate_limit")                                                                    \
    X(RATE_BURST, "rate_burst")                                                                    \
    X(ORDERED, "ordered")                                                                          \
    X(TLS_CA_FILE, "tls_ca_file")                                                                  \
    X(TLS_CERT_FILE, "tls_cert_file")                                                              \
    X(TLS_KEY_FILE, "tls_key_file")                                                                \
    X(TLS_INSECURE, "tls_insecure")                                                                \
    X(HTTP_VERSION, "http_version")                                                                \
    X(ALLOW_PRIVATE, "allow_private")

enum endpoint_setting {
#define ENDPOINT_SETTING_CONSTANT(name, column) ENDPOINT_##name,
    ENDPOINT_SETTINGS(ENDPOINT_SETTING_CONSTANT)
#undef ENDPOINT_SETTING_CONSTANT
        ENDPOINT_SETTING_COUNT
};

/* A setting's column: "timeout_ms". A static string. */
const char *endpoint_setting_column(int setting);

/* ---- one endpoint ---------------------------------------------------------------------------- */

struct secret_facts {
    char *secret; /* as it is stored; NULL unless it was asked for */
    bool sealed;
    int64_t created_at, expires_at;
};

struct endpoint_record {
    int64_t id;
    char *name; /* NULL: made by a webhook to a bare URL */
    bool enabled;
    char *disabled_reason;
    int64_t disabled_at, created_at;
    char *settings[ENDPOINT_SETTING_COUNT]; /* the columns as text; NULL: the configured default */
    char **patterns;                        /* of its subscriptions, sorted */
    size_t pattern_count;
    struct secret_facts *secrets; /* the unexpired ones, newest first */
    size_t secret_count;
};

/* Reads the endpoint of a name, or of a URL that has no name, at one point in time, its secrets'
 * text and the values of headers that look like credentials only `with_secrets`. When there is
 * none, an ERROR_FAILED says so, and which name may have been meant. Freed with
 * endpoint_record_free(). */
int endpoint_record_read(struct database *database, const char *name, bool with_secrets,
                         struct endpoint_record *record, struct error *error) must_check;

/* Frees it, secrets wiped. */
void endpoint_record_free(struct endpoint_record *record);

/* What people know it by: its name, else its URL. */
const char *endpoint_record_label(const struct endpoint_record *record);

/* ---- how they fare --------------------------------------------------------------------------- */

struct endpoint_health {
    int64_t id;
    char *name, *url, *disabled_reason;
    bool enabled;
    int64_t disabled_at;
    int64_t failing_since; /* the first failed call after which none has succeeded; 0: none */
    int64_t pending, oldest_pending_at; /* when the oldest of these was created */
    int64_t success_at;                 /* when the last successful attempt ended */
    int64_t failure_at;                 /* when the last other one did, or a delivery failed */
    char *failure;                      /* and what was wrong */
};

struct endpoint_health_list {
    struct endpoint_health *rows; /* by name, those without one at the end by URL */
    size_t count;
    /* Attempts from before about this time were not looked at, so that an endpoint without a
     * success_at may have had one then; 0: all were. */
    int64_t attempts_since;
};

/* Reads how endpoints fare: the one of an id; or with 0 all named ones, and with `bare` the others,
 * too.
 *
 * Pending deliveries cost a walk over their index; the rest costs the same however many deliveries
 * there are. (0.4 s were measured with 10,000 endpoints, 1 million pending deliveries and 2 million
 * finished ones.) No index leads from an endpoint to its attempts, so only the newest 20,000 of all
 * endpoints' are looked at; a failure before these is found by index when it was a delivery's last.
 * Freed with endpoint_health_list_free(). */
int endpoint_health_read(struct database *database, int64_t id, bool bare,
                         struct endpoint_health_list *list, struct error *error) must_check;

void endpoint_health_list_free(struct endpoint_health_list *list);

#endif
