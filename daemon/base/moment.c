#include "outhook/base/moment.h"

#include "outhook/base/duration.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOMENT_NUMBER_DIGITS_LEAST = 12, MOMENT_NUMBER_DIGITS_MOST = 15 };

/* Exactly `count` digits at *text, which moves behind them. */
static bool take_digits(const char **text, int count, int *value) {
    *value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return true;
}

static bool take(const char **text, const char *letters) {
    if (!**text || !strchr(letters, **text))
        return false;
    (*text)++;
    return true;
}

static bool take_date(const char **text, struct tm *date) {
    if (!take_digits(text, 4, &date->tm_year) || !take(text, "-") ||
        !take_digits(text, 2, &date->tm_mon) || !take(text, "-") ||
        !take_digits(text, 2, &date->tm_mday))
        return false;
    date->tm_year -= 1900;
    date->tm_mon -= 1;
    return true;
}

/* ".5" to 500. More than milliseconds are cut off. */
static bool take_fraction(const char **text, int *ms) {
    int unit = 100;
    *ms = 0;
    if (!take(text, ".,"))
        return true;
    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        *ms += (**text - '0') * unit;
    return true;
}

/* "12:30", "12:30:15", "12:30:15.250" */
static bool take_time(const char **text, struct tm *date, int *ms) {
    *ms = 0;
    if (!take_digits(text, 2, &date->tm_hour) || !take(text, ":") ||
        !take_digits(text, 2, &date->tm_min) || date->tm_hour > 23 || date->tm_min > 59)
        return false;
    if (!take(text, ":"))
        return true;
    return take_digits(text, 2, &date->tm_sec) && date->tm_sec <= 59 && take_fraction(text, ms);
}

/* "Z", "UTC", "+02:00", "-0930", or nothing. */
static bool take_offset(const char **text, int *minutes) {
    int hours, rest, sign;
    *minutes = 0;
    *text += **text == ' ';
    if (!strcmp(*text, "Z") || !strcmp(*text, "z") || !strcmp(*text, "UTC"))
        *text += strlen(*text);
    if (!**text)
        return true;
    sign = **text == '-' ? -1 : 1;
    if (!take(text, "+-") || !take_digits(text, 2, &hours))
        return false;
    (void)take(text, ":");
    if (!take_digits(text, 2, &rest) || hours > 23 || rest > 59)
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

static bool parse_date(const char *text, int64_t *at_ms) {
    struct tm date = {0};
    int ms = 0, offset = 0;
    if (!take_date(&text, &date))
        return false;
    if (take(&text, "Tt ") && !(take_time(&text, &date, &ms) && take_offset(&text, &offset)))
        return false;
    struct tm same = date;
    time_t seconds = timegm(&same);
    if (*text || same.tm_mday != date.tm_mday || same.tm_mon != date.tm_mon)
        return false; /* something behind it, or a 30th of February */
    *at_ms = ((int64_t)seconds - (int64_t)offset * 60) * 1000 + ms;
    return true;
}

bool moment_parse(const char *text, int64_t now_wall_ms, int64_t *at_ms) {
    size_t length = strlen(text);
    int64_t ago_ms;
    if (duration_parse(text, length, &ago_ms)) {
        *at_ms = now_wall_ms - ago_ms;
        return true;
    }
    if (length >= MOMENT_NUMBER_DIGITS_LEAST && length <= MOMENT_NUMBER_DIGITS_MOST &&
        strspn(text, "0123456789") == length) {
        *at_ms = strtoll(text, NULL, 10);
        return true;
    }
    return parse_date(text, at_ms);
}
