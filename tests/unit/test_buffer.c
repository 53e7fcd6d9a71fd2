/* The buffer: it grows, and is a string at every moment. */

#include "outhook/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void empty(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_string_equal(buffer_text(&buffer), "");
    buffer_clear(&buffer);
    buffer_append(&buffer, NULL, 0);
    buffer_print(&buffer, "%s", "");
    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer.length, 0);
    buffer_free(&buffer);
    buffer_free(&buffer);
    assert_null(buffer.data);
}

static void text_and_numbers(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "");
    assert_string_equal(buffer_text(&buffer), "");
    buffer_append_text(&buffer, "n=");
    buffer_append_number(&buffer, 0);
    buffer_append_text(&buffer, " ");
    buffer_append_number(&buffer, 1700000000123);
    buffer_append_text(&buffer, " ");
    buffer_append_number(&buffer, INT64_MAX);
    buffer_append_text(&buffer, " ");
    buffer_append_number(&buffer, INT64_MIN);
    assert_string_equal(buffer_text(&buffer),
                        "n=0 1700000000123 9223372036854775807 -9223372036854775808");
    buffer_free(&buffer);
}

static void grows_by_single_bytes(void **state) {
    (void)state;
    struct buffer buffer = {0};
    for (size_t i = 0; i < 1000; i++) {
        buffer_append(&buffer, &"abcdefghij"[i % 10], 1);
        assert_int_equal(buffer.length, i + 1);
        assert_int_equal(strlen(buffer_text(&buffer)), i + 1);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(buffer.data[i], "abcdefghij"[i % 10]);
    buffer_free(&buffer);
}

/* Around each capacity, where room for the NUL is easily forgotten. */
static void any_length_at_once(void **state) {
    (void)state;
    char bytes[600];
    memset(bytes, 'x', sizeof bytes);
    for (size_t length = 0; length < sizeof bytes; length++) {
        struct buffer appended = {0}, printed = {0};
        buffer_append(&appended, bytes, length);
        buffer_print(&printed, "%.*s", (int)length, bytes);
        assert_int_equal(appended.length, length);
        assert_int_equal(printed.length, length);
        assert_int_equal(strlen(buffer_text(&appended)), length);
        assert_string_equal(buffer_text(&appended), buffer_text(&printed));
        buffer_free(&appended);
        buffer_free(&printed);
    }
}

static void appends_and_prints_in_turn(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_print(&buffer, "%s=%d", "a", 1);
    buffer_append(&buffer, "\0", 1);
    buffer_print(&buffer, "%s=%d", "b", -2);
    assert_int_equal(buffer.length, 8);
    assert_memory_equal(buffer.data, "a=1\0b=-2", 9);
    buffer_free(&buffer);
}

static void clear_keeps_the_memory(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_print(&buffer, "%0200d", 1);
    const char *data = buffer.data;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_print(&buffer, "%0200d", 2);
    assert_ptr_equal(buffer.data, data);
    assert_int_equal(buffer.length, 200);
    buffer_free(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(text_and_numbers),
        cmocka_unit_test(grows_by_single_bytes),
        cmocka_unit_test(any_length_at_once),
        cmocka_unit_test(appends_and_prints_in_turn),
        cmocka_unit_test(clear_keeps_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
