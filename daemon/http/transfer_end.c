#include "outhook/http/transfer_end.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/http/call.h"
#include "outhook/http/retry_after.h"
#include "outhook/http/tls_error.h"
#include "outhook/http/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TLS_TEXT_BYTES = 600 };

static int64_t info_us(CURL *easy, CURLINFO info) {
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return us;
}

/* The status of the final answer once its headers are complete; else 0. */
static int transfer_status(const struct transfer *transfer) {
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return transfer->headers_ended && status >= 200 ? (int)status : 0;
}

/* What libcurl has no time of has not been reached; of a reused connection it has them all. The
 * time of TCP alone comes late when TLS follows, but the local port is there once the connection
 * is. */
static enum phase transfer_phase(const struct transfer *transfer) {
    CURL *easy = transfer->easy;
    long local_port = 0;
    curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local_port);
    if (info_us(easy, CURLINFO_PRETRANSFER_TIME_T))
        return transfer_status(transfer) ? PHASE_BODY : PHASE_WAIT;
    return local_port > 0 ? PHASE_TLS : PHASE_CONNECT;
}

static bool phase_is_before_request(enum phase phase) {
    return phase < PHASE_WAIT;
}

static void outcome_explain(struct outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void outcome_explain(struct outcome *outcome, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    outcome->error = memory_vprint(format, arguments);
    va_end(arguments);
}

/* Of several, the longest. */
static int64_t transfer_retry_after_ms(CURL *easy) {
    struct curl_header *header;
    int64_t longest_ms = -1, now_wall_ms = clock_now().wall_ms;
    for (size_t i = 0; !curl_easy_header(easy, "Retry-After", i, CURLH_HEADER, -1, &header); i++) {
        int64_t wait_ms = retry_after_ms(header->value, now_wall_ms);
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
    }
    return longest_ms;
}

static void transfer_read_facts(const struct transfer *transfer, struct outcome *outcome) {
    CURL *easy = transfer->easy;
    const char *address = NULL;
    long port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);

    outcome->phase = transfer_phase(transfer);
    outcome->status_code = transfer_status(transfer);
    outcome->duration_ms =
        transfer->call->waited_ms + (info_us(easy, CURLINFO_TOTAL_TIME_T) + 500) / 1000;
    outcome->retry_after_ms = transfer_retry_after_ms(easy);
    if (address && *address)
        snprintf(outcome->remote_address, sizeof outcome->remote_address,
                 strchr(address, ':') ? "[%s]:%ld" : "%s:%ld", address, port);
}

/* A complete answer, or as much of it as we wanted. */
static void judge_answer(const struct transfer *transfer, struct outcome *outcome) {
    outcome->verdict = verdict_of_status(outcome->status_code, outcome->retry_after_ms > 0);
    if (!outcome->status_code)
        outcome_explain(outcome, "bad answer: it ended before its headers did");
    else if (outcome->verdict != VERDICT_DELIVERED)
        outcome_explain(outcome, "it answered %d%s", outcome->status_code,
                        outcome->status_code >= 300 && outcome->status_code < 400
                            ? ", a redirect, which is not followed"
                            : "");
    else if (transfer->response_cut)
        outcome_explain(outcome, "delivered; the answer's body was cut after %" PRId64 " bytes",
                        transfer->call->policy->max_response_bytes);
}

static void judge_timeout(struct outcome *outcome) {
    outcome->verdict =
        phase_is_before_request(outcome->phase) ? VERDICT_UNREACHABLE : VERDICT_TIMEOUT;
    outcome_explain(outcome, "timed out after %" PRId64 " ms %s", outcome->duration_ms,
                    phase_meaning(outcome->phase));
}

static const char *transfer_detail(const struct transfer *transfer, CURLcode code,
                                   char tls_text[TLS_TEXT_BYTES]) {
    if (transfer->flooded)
        return "it goes on without end, outside of its body";
    if (code == CURLE_OUT_OF_MEMORY) /* libcurl's word for a line that outgrows its buffer */
        return "a line of it is longer than can be right";
    const char *detail = *transfer->curl_error ? transfer->curl_error : curl_easy_strerror(code);
    return tls_error_explain(transfer->easy, code, detail, tls_text, TLS_TEXT_BYTES) ? tls_text
                                                                                     : detail;
}

/* Not the receiver's fault, which libcurl can't tell from one. */
static void judge_no_socket(const struct transfer *transfer, struct outcome *outcome) {
    bool is_limit = transfer->socket_errno == EMFILE;
    outcome->verdict = VERDICT_UNREACHABLE;
    outcome_explain(outcome, "can't connect: no socket can be made here: %s%s",
                    strerrordesc_np(transfer->socket_errno),
                    is_limit ? "; outhookd may open too few (LimitNOFILE= of its unit)" : "");
}

/* Before the request could be sent nothing can have arrived; after that, who knows. */
static void judge_failure(const struct transfer *transfer, CURLcode code, struct outcome *outcome) {
    char tls_text[TLS_TEXT_BYTES];
    const char *detail = transfer_detail(transfer, code, tls_text);
    bool before_request = phase_is_before_request(outcome->phase);
    if (!before_request)
        outcome->verdict = VERDICT_FAILED;
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        outcome->verdict = VERDICT_INVALID;
    else
        outcome->verdict = VERDICT_UNREACHABLE;
    outcome_explain(outcome, before_request ? "can't connect: %s" : "bad answer: %s", detail);
}

void transfer_judge(const struct transfer *transfer, CURLcode code, struct outcome *outcome) {
    transfer_read_facts(transfer, outcome);
    if (code == CURLE_OK)
        outcome->phase = PHASE_DONE;
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->response_cut)) {
        judge_answer(transfer, outcome);
    } else if (*transfer->refusal &&
               (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK)) {
        outcome->verdict = VERDICT_BLOCKED;
        outcome_explain(outcome, "%s", transfer->refusal);
    } else if (transfer->socket_errno && code == CURLE_COULDNT_CONNECT) {
        judge_no_socket(transfer, outcome);
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        judge_timeout(outcome);
    } else {
        judge_failure(transfer, code, outcome);
    }
}
