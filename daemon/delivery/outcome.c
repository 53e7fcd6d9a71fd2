#include "outhook/delivery/outcome.h"

#include <stdlib.h>

static const char *const verdict_names[] = {
#define VERDICT_NAME(name, word) word,
    VERDICTS(VERDICT_NAME)
#undef VERDICT_NAME
};

const char *verdict_name(enum verdict verdict) {
    return verdict_names[verdict];
}

enum verdict verdict_of_status(int status_code, bool retry_after) {
    if (status_code >= 200 && status_code < 300)
        return VERDICT_DELIVERED;
    if (status_code == 410)
        return VERDICT_GONE;
    if (status_code == 429 || (status_code == 503 && retry_after))
        return VERDICT_THROTTLED;
    /* 408 and 425 are 4xx that speak of the moment, not of the request. */
    if (status_code >= 400 && status_code < 500 && status_code != 408 && status_code != 425)
        return VERDICT_REJECTED;
    return VERDICT_FAILED;
}

bool outcome_answered(const struct outcome *outcome) {
    switch (outcome->verdict) {
    case VERDICT_DELIVERED:
    case VERDICT_REJECTED:
    case VERDICT_GONE:
    case VERDICT_THROTTLED:
    case VERDICT_FAILED:
        return true;
    case VERDICT_TIMEOUT:
    case VERDICT_UNREACHABLE:
        return outcome->status_code != 0;
    case VERDICT_BLOCKED:
    case VERDICT_INVALID:
    case VERDICT_ABORTED:
        break;
    }
    return false;
}

void outcome_free(struct outcome *outcome) {
    free(outcome->error);
    free(outcome->response_headers);
    free(outcome->response_body);
    *outcome = (struct outcome){0};
}
