#ifndef OUTHOOK_DELIVERY_OUTCOME_H
#define OUTHOOK_DELIVERY_OUTCOME_H

/*
 * How one call ended, and what that means.
 *
 * A call that did not succeed is not an error of ours: it is a verdict, a value like any other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, word in attempts.verdict and in the log) */
#define VERDICTS(X)                                                                                \
    X(DELIVERED, "delivered")     /* 2xx */                                                        \
    X(REJECTED, "rejected")       /* 4xx: alive, and says no */                                    \
    X(GONE, "gone")               /* 410 */                                                        \
    X(THROTTLED, "throttled")     /* 429, or 503 with Retry-After */                               \
    X(FAILED, "failed")           /* any other status; a broken answer; reset after the send */    \
    X(TIMEOUT, "timeout")         /* the connection stood, and the time was up */                  \
    X(UNREACHABLE, "unreachable") /* name lookup, TCP, TLS, or the time for those */               \
    X(BLOCKED, "blocked")         /* the address policy refuses the address */                     \
    X(INVALID, "invalid")         /* the request could not be made from the row */                 \
    X(ABORTED, "aborted")         /* given up by us at a stop: nothing is written */

enum verdict {
#define VERDICT_ENUM(name, word) VERDICT_##name,
    VERDICTS(VERDICT_ENUM)
#undef VERDICT_ENUM
};

/* The verdict's word. */
const char *verdict_name(enum verdict verdict);

/* The verdict of a complete answer (RFC 9110 status codes; redirects are not followed, so 3xx is a
 * failure). `retry_after` says whether the answer carried a usable Retry-After. */
enum verdict verdict_of_status(int status_code, bool retry_after);

/* How far a call came. X(NAME, word in attempts.phase, what was under way when it ended there) */
#define PHASES(X)                                                                                  \
    X(LOOKUP, "lookup", "while its host name was looked up")                                       \
    X(CONNECT, "connect", "while trying to connect")                                               \
    X(TLS, "tls", "during the TLS handshake")                                                      \
    X(WAIT, "wait", "while waiting for the answer's headers")                                      \
    X(BODY, "body", "while reading the body")                                                      \
    X(DONE, "done", "after the whole answer")

enum phase {
#define PHASE_ENUM(name, word, meaning) PHASE_##name,
    PHASES(PHASE_ENUM)
#undef PHASE_ENUM
};

/* The phase's word, and what was under way in it. */
const char *phase_name(enum phase phase);
const char *phase_meaning(enum phase phase);

/* The phase of a word, or PHASE_DONE. */
enum phase phase_of_name(const char *word);

struct outcome {
    enum verdict verdict;
    enum phase phase;       /* that it reached */
    int status_code;        /* 0: no answer */
    int64_t retry_after_ms; /* asked for by the receiver; -1: not */
    int64_t started_at;     /* wall ms */
    int64_t duration_ms;
    char *error; /* one sentence; NULL after a success */
    char remote_address[64];
    char *response_headers; /* the kept part; NULL when there is none */
    char *response_body;
    size_t response_body_bytes;
};

/* Whether the receiver gave a sign of life: an answer, or an answer's beginning, or at least an end
 * of its own making. */
bool outcome_answered(const struct outcome *outcome);

/* Frees what an outcome holds, not the outcome itself. */
void outcome_free(struct outcome *outcome);

#endif
