#include "outhook/delivery/outcome.h"

#include <stdlib.h>
#include <string.h>

static const char *const verdict_names[] = {
#define VERDICT_NAME(name, word) word,
    VERDICTS(VERDICT_NAME)
#undef VERDICT_NAME
};

const char *verdict_name(enum verdict verdict) {
    return verdict_names[verdict];
}

static const char *const phase_names[] = {
#define PHASE_NAME(name, word, meaning) word,
    PHASES(PHASE_NAME)
#undef PHASE_NAME
};

static const char *const phase_meanings[] = {
#define PHASE_MEANING(name, word, meaning) meaning,
    PHASES(PHASE_MEANING)
#undef PHASE_MEANING
};

const char *phase_name(enum phase phase) {
    return phase_names[phase];
}

const char *phase_meaning(enum phase phase) {
    return phase_meanings[phase];
}

enum phase phase_of_name(const char *word) {
    int phase = PHASE_LOOKUP;
    while (phase < PHASE_DONE && strcmp(phase_names[phase], word) != 0)
        phase++;
    return (enum phase)phase;
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
