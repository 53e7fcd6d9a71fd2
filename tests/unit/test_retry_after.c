/* What a receiver may write into Retry-After, and the wait that it asks for. */

#include "outhook/http/retry_after.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static const int64_t most_ms = (int64_t)RETRY_AFTER_MAX_S * 1000;
static const int64_t now_ms = 784111777500; /* Sun, 06 Nov 1994 08:49:37.5 GMT */

static void assert_waits(const char *value, int64_t wait_ms) {
    int64_t got_ms = retry_after_ms(value, now_ms);
    if (got_ms != wait_ms)
        fail_msg("\"%s\" waits for %" PRId64 " ms, not %" PRId64, value, got_ms, wait_ms);
}

static void test_seconds(void **state) {
    (void)state;
    assert_waits("1", 1000);
    assert_waits("120", 120000);
    assert_waits(" \t007 ", 7000);
    assert_waits("1000000000", most_ms);
    assert_waits("1000000001", most_ms);
    assert_waits("9223372036854775807", most_ms);
    assert_waits("1000000000000000000000000000000", most_ms);
}

static void test_dates_in_the_three_forms_of_http(void **state) {
    (void)state;
    assert_waits("Sun, 06 Nov 1994 08:50:37 GMT", 59500);
    assert_waits("Sunday, 06-Nov-94 08:50:37 GMT", 59500);
    assert_waits("Sun Nov  6 08:50:37 1994", 59500);
    assert_waits("Fri, 31 Dec 9999 23:59:59 GMT", most_ms);
}

static void test_no_wait(void **state) {
    (void)state;
    static const char *const values[] = {
        "",
        " ",
        "0",
        "-1",
        "+1",
        "1.5",
        "1,5",
        "0x10",
        "1e3",
        "60 seconds",
        "60s",
        "soon",
        ":",
        "12:00",
        "1994 Nov 6",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 1600 23:59:59 GMT",
        "Sun, 99 Nov 2094 88:49:37 GMT",
        "\xff\xfe",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_waits(values[i], -1);
}

/* Every day's date for a long while, as a receiver's clock would print it. */
static void test_dates_are_read_back(void **state) {
    (void)state;
    for (int64_t wait_s = 1; wait_s < RETRY_AFTER_MAX_S; wait_s += 86399) {
        time_t at = (time_t)(now_ms / 1000 + wait_s);
        struct tm parts;
        char date[64];
        gmtime_r(&at, &parts);
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        assert_waits(date, wait_s * 1000 - 500);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_dates_in_the_three_forms_of_http),
        cmocka_unit_test(test_no_wait),
        cmocka_unit_test(test_dates_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
