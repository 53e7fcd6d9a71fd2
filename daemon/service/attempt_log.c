#include "outhook/service/attempt_log.h"

#include "outhook/base/duration.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/delivery/outcome.h"
#include "outhook/delivery/scheduler.h"
#include "outhook/runtime/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static bool attempt_log_room(struct attempt_log *log, struct now now) {
    int64_t second = now.mono_ms / 1000;
    if (second != log->second) {
        if (log->left_out)
            log_line(LEVEL_INFO,
                     "%" PRId64 " more attempts were made and not logged (log_attempts_per_second)",
                     log->left_out);
        log->second = second;
        log->written = log->left_out = 0;
    }
    if (log->written >= log->per_second) {
        log->left_out++;
        return false;
    }
    log->written++;
    return true;
}

/* What comes next, such as "30s", or why nothing does. */
static const char *next_text(const struct outcome *outcome, const struct completion *completion,
                             struct now now, char text[DURATION_TEXT_BYTES]) {
    if (outcome->verdict == VERDICT_DELIVERED)
        return NULL;
    if (completion->disable_endpoint)
        return "when-enabled";
    if (completion->decision.fate != RETRY_AGAIN)
        return completion->decision.fate == RETRY_FAILED ? "none" : "none-expired";
    int64_t retry_at = completion->decision.retry_at;
    int64_t wait_ms = (retry_at ? retry_at : completion->decision.due_at) - now.wall_ms;
    if (wait_ms > 10000)
        wait_ms = wait_ms / 1000 * 1000;
    return duration_format(wait_ms < 0 ? 0 : wait_ms, text);
}

void attempt_log_write(struct attempt_log *log, const struct delivery *delivery,
                       const struct outcome *outcome, const struct completion *completion,
                       struct now now) {
    char id[24], webhook[24], number[16], status[16], duration[24], wait[DURATION_TEXT_BYTES];
    bool delivered = outcome->verdict == VERDICT_DELIVERED;
    const char *next = next_text(outcome, completion, now, wait);
    const char *endpoint = endpoint_label(delivery->endpoint);
    const char *verdict = verdict_name(outcome->verdict);
    if (!attempt_log_room(log, now))
        return;

    snprintf(id, sizeof id, "%" PRId64, delivery->id);
    snprintf(webhook, sizeof webhook, "%" PRId64, delivery->webhook_id);
    snprintf(number, sizeof number, "%d", delivery->attempts_before + delivery->attempts + 1);
    snprintf(status, sizeof status, "%d", outcome->status_code);
    snprintf(duration, sizeof duration, "%" PRId64, outcome->duration_ms);
    const struct log_field fields[] = {
        {"DELIVERY", id},          {"WEBHOOK", webhook},
        {"ENDPOINT", endpoint},    {"ATTEMPT", number},
        {"VERDICT", verdict},      {"STATUS", outcome->status_code ? status : NULL},
        {"DURATION", duration},    {"NEXT", next},
        {"ERROR", outcome->error},
    };
    log_fields(delivered ? LEVEL_INFO : LEVEL_WARNING, fields, sizeof fields / sizeof *fields,
               "delivery=%s webhook=%s endpoint=%s attempt=%s verdict=%s status=%s duration_ms=%s"
               "%s%s%s%s%s",
               id, webhook, endpoint, number, verdict, outcome->status_code ? status : "-",
               duration, next ? " next=" : "", next ? next : "", outcome->error ? " error=\"" : "",
               outcome->error ? outcome->error : "", outcome->error ? "\"" : "");
}
