#include "outhook/base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum { UNITS = sizeof units / sizeof *units, DURATION_DIGITS_MAX = 9 };

bool duration_parse(const char *text, size_t length, int64_t *ms) {
    int64_t number = 0;
    size_t digits = 0;
    while (digits < length && text[digits] >= '0' && text[digits] <= '9') {
        if (digits == DURATION_DIGITS_MAX)
            return false;
        number = number * 10 + (text[digits++] - '0');
    }
    if (!digits)
        return false;

    for (size_t i = 0; i < UNITS; i++) {
        size_t unit_length = strlen(units[i].name);
        if (length - digits == unit_length && !memcmp(text + digits, units[i].name, unit_length)) {
            *ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

bool durations_parse(const char *text, struct durations *durations) {
    durations->count = 0;
    for (;;) {
        text += strspn(text, " ");
        if (!*text)
            return durations->count > 0;
        size_t length = strcspn(text, " ");
        if (durations->count == DURATIONS_MAX ||
            !duration_parse(text, length, &durations->ms[durations->count]))
            return false;
        durations->count++;
        text += length;
    }
}

char *duration_format(int64_t ms, char text[DURATION_TEXT_BYTES]) {
    size_t i = 0;
    while (i < UNITS - 1 && (ms == 0 || ms % units[i].ms))
        i++;
    snprintf(text, DURATION_TEXT_BYTES, "%" PRId64 "%s", ms / units[i].ms,
             ms == 0 ? "s" : units[i].name);
    return text;
}
