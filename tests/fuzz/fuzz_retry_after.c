/* Retry-After, with its HTTP dates. The input: eight bytes of time, then the header's value.
 *
 * - A wait is -1 or from 1 ms to the longest one.
 * - Digits are so many seconds, and blanks around a value change nothing.
 * - The same date is a second nearer a second later; a number is as far away as ever. */

#include "fuzz.h"

#include "outhook/http/retry_after.h"

#include <inttypes.h>

static const int64_t most_ms = (int64_t)RETRY_AFTER_MAX_S * 1000;

/* Any time that a clock may show: from 1970 to 9999. */
static int64_t time_of(uint64_t number) {
    return (int64_t)(number % 253402300800000u);
}

static void judge_digits(const char *value, int64_t wait_ms) {
    char *end;
    size_t digits = strlen(value);
    unsigned long long seconds = strtoull(value, &end, 10);
    fuzz_require(!*end);
    if (digits > 19 && seconds > RETRY_AFTER_MAX_S)
        fuzz_require(wait_ms == most_ms);
    else if (seconds)
        fuzz_require(wait_ms ==
                     (int64_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000);
    else
        fuzz_require(wait_ms == -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t number = 0;
    if (size < sizeof number)
        return 0;
    memcpy(&number, data, sizeof number);
    int64_t now_ms = time_of(number);
    char *value = fuzz_text(data + sizeof number, size - sizeof number), *spaced;
    int64_t wait_ms = retry_after_ms(value, now_ms),
            later_ms = retry_after_ms(value, now_ms + 1000);
    fuzz_require(wait_ms == -1 || (wait_ms > 0 && wait_ms <= most_ms));

    bool is_digits = *value && !value[strspn(value, "0123456789")];
    if (is_digits)
        judge_digits(value, wait_ms);
    if (wait_ms == later_ms || (wait_ms == most_ms && later_ms > most_ms - 1000))
        (void)0; /* a number, none, or too far away to tell */
    else
        fuzz_require(strchr(value, ':') &&
                     (later_ms == wait_ms - 1000 || (later_ms == -1 && wait_ms <= 1000)));

    fuzz_require(asprintf(&spaced, " \t%s\t ", value) >= 0);
    fuzz_require(retry_after_ms(spaced, now_ms) == wait_ms);
    free(spaced);
    free(value);
    return 0;
}
