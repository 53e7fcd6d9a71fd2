#include "outhook/base/moment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int64_t now_ms = 1800000000000; /* 2027-01-15T08:00:00Z */

static void test_what_is_a_moment(void **state) {
    static const struct {
        const char *text;
        int64_t at_ms;
    } cases[] = {
        {"0s", 1800000000000},
        {"1h", 1799996400000},
        {"250ms", 1799999999750},
        {"7d", 1799395200000},
        {"1970-01-01", 0},
        {"2027-01-15", 1799971200000},
        {"2027-01-15T08:00", 1800000000000},
        {"2027-01-15t08:00z", 1800000000000},
        {"2027-01-15 08:00:00", 1800000000000},
        {"2027-01-15T08:00:00.25", 1800000000250},
        {"2027-01-15T08:00:00,123456789Z", 1800000000123},
        {"2027-01-15 08:00:00 UTC", 1800000000000},
        {"2027-01-15T10:00+02:00", 1800000000000},
        {"2027-01-15T10:00 +0200", 1800000000000},
        {"2027-01-15T02:30-05:30", 1800000000000},
        {"2028-02-29", 1835395200000},
        {"9999-12-31T23:59:59.999", 253402300799999},
        {"100000000000", 100000000000},
        {"1800000000123", 1800000000123},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t at_ms = -1;
        if (!moment_parse(cases[i].text, now_ms, &at_ms))
            fail_msg("%s is no moment", cases[i].text);
        assert_int_equal(at_ms, cases[i].at_ms);
    }
}

static void test_what_is_none(void **state) {
    static const char *const texts[] = {
        "",
        "now",
        "1",
        "12345678901",
        "1234567890123456",
        "-1h",
        "1h ",
        " 1h",
        "2027",
        "2027-1-15",
        "2027-01-32",
        "2027-02-29",
        "2027-13-01",
        "2027-00-10",
        "2027-01-00",
        "2027-01-15x",
        "2027-01-15T",
        "2027-01-15T8:00",
        "2027-01-15T24:00",
        "2027-01-15T08:60",
        "2027-01-15T08:00:60",
        "2027-01-15T08:00:00.",
        "2027-01-15T08:00:00.x",
        "2027-01-15T08:00+2",
        "2027-01-15T08:00+24:00",
        "2027-01-15T08:00+02:60",
        "2027-01-15T08:00+02:00x",
        "2027-01-15T08:00 CET",
        "2027-01-15T08:00ZZ",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t at_ms = -1;
        if (moment_parse(texts[i], now_ms, &at_ms))
            fail_msg("%s is a moment", texts[i]);
        assert_int_equal(at_ms, -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_moment),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
