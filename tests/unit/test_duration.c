/* Durations: every unit, both ends of each limit, and what is none. */

#include "outhook/base/duration.h"

#include "outhook/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reads_every_unit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0ms", 0},
        {"1ms", 1},
        {"250ms", 250},
        {"30s", 30000},
        {"5m", 300000},
        {"12h", 43200000},
        {"7d", 604800000},
        {"007s", 7000},
        {"999999999ms", 999999999},
        {"999999999d", 86399999913600000},
        {"000000001s", 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        assert_true(duration_parse(cases[i].text, strlen(cases[i].text), &ms));
        assert_true(ms == cases[i].ms);
    }
}

static void refuses_the_rest(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "5",
        "s",
        "-1s",
        "+1s",
        "1.5s",
        "1 s",
        "1s ",
        " 1s",
        "1S",
        "1sec",
        "1msec",
        "1w",
        "1y",
        "ms",
        "1m30s",
        "1000000000ms",
        "0000000001s",
        "1ss",
        "1e3s",
        "0x1s",
        "1,5s",
        "1s\n",
        "1us",
        "99999999999s",
        "1\xc2\xb5s",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ms = -7;
        if (duration_parse(texts[i], strlen(texts[i]), &ms))
            fail_msg("'%s' was read", texts[i]);
        assert_int_equal(ms, -7);
    }
}

static void reads_no_further_than_told(void **state) {
    (void)state;
    int64_t ms = 0;
    assert_true(duration_parse("30ms", strlen("30m"), &ms));
    assert_int_equal(ms, 30 * 60000);
    assert_true(duration_parse("5s 30s", strlen("5s"), &ms));
    assert_int_equal(ms, 5000);
    assert_false(duration_parse("5s", 1, &ms));
    assert_false(duration_parse("5s", 0, &ms));
}

static void schedules(void **state) {
    (void)state;
    struct durations durations;
    assert_true(durations_parse("5s", &durations));
    assert_int_equal(durations.count, 1);
    assert_true(durations_parse("  5s  30s 2m ", &durations));
    assert_int_equal(durations.count, 3);
    assert_int_equal(durations.ms[0], 5000);
    assert_int_equal(durations.ms[1], 30000);
    assert_int_equal(durations.ms[2], 120000);

    static const char *const texts[] = {"", "   ", "5s,30s", "5s 30", "5s\t30s", "5s x 30s"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(durations_parse(texts[i], &durations));
}

static void as_many_as_fit(void **state) {
    (void)state;
    struct buffer text = {0};
    struct durations durations;
    for (int i = 0; i < DURATIONS_MAX; i++)
        buffer_print(&text, "%ds ", i);
    assert_true(durations_parse(buffer_text(&text), &durations));
    assert_int_equal(durations.count, DURATIONS_MAX);
    assert_int_equal(durations.ms[DURATIONS_MAX - 1], (DURATIONS_MAX - 1) * 1000);
    buffer_print(&text, "1s");
    assert_false(durations_parse(buffer_text(&text), &durations));
    buffer_free(&text);
}

static void writes_the_largest_whole_unit(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1001, "1001ms"},
        {90000, "90s"},
        {120000, "2m"},
        {3600000, "1h"},
        {86400000, "1d"},
        {90000000, "25h"},
        {86399999913600000, "999999999d"},
        {INT64_MAX, "9223372036854775807ms"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[DURATION_TEXT_BYTES];
        assert_string_equal(duration_format(cases[i].ms, text), cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_unit),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(reads_no_further_than_told),
        cmocka_unit_test(schedules),
        cmocka_unit_test(as_many_as_fit),
        cmocka_unit_test(writes_the_largest_whole_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
