#include "outhook/http/retry_after.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

static const char blanks[] = " \t";

static int64_t seconds_read(const char *digits, size_t count) {
    int64_t seconds = 0;
    for (size_t i = 0; i < count && seconds < RETRY_AFTER_MAX_S; i++)
        seconds = seconds * 10 + (digits[i] - '0');
    return seconds;
}

int64_t retry_after_ms(const char *value, int64_t now_wall_ms) {
    int64_t wait_ms = 0;
    value += strspn(value, blanks);
    size_t digits = strspn(value, "0123456789");
    if (digits && !value[digits + strspn(value + digits, blanks)]) {
        wait_ms = seconds_read(value, digits) * 1000;
    } else if (strchr(value,
                      ':')) { /* libcurl knows dates that HTTP doesn't, without a time of day */
        time_t at = curl_getdate(value, NULL);
        /* Compared in s, as no multiplication is safe before. */
        if (at > now_wall_ms / 1000)
            wait_ms = at - now_wall_ms / 1000 > RETRY_AFTER_MAX_S
                          ? (int64_t)RETRY_AFTER_MAX_S * 1000
                          : (int64_t)at * 1000 - now_wall_ms;
    }
    if (wait_ms > (int64_t)RETRY_AFTER_MAX_S * 1000)
        wait_ms = (int64_t)RETRY_AFTER_MAX_S * 1000;
    return wait_ms > 0 ? wait_ms : -1;
}
