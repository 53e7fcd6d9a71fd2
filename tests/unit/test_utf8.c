/* Text made of bytes that may be none. */

#include "outhook/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_becomes(const char *bytes, const char *expected) {
    struct buffer text = {0};
    utf8_append(&text, bytes, strlen(bytes));
    assert_string_equal(buffer_text(&text), expected);
    assert_true(utf8_valid(buffer_text(&text), text.length));
    buffer_free(&text);
}

static void test_text_stays(void **state) {
    (void)state;
    assert_becomes("", "");
    assert_becomes("X-A: gr\xc3\xbcn \xe2\x9c\x93 \xf0\x9f\x98\x80\r\n",
                   "X-A: gr\xc3\xbcn \xe2\x9c\x93 \xf0\x9f\x98\x80\r\n");
}

static void test_other_bytes_are_latin_1(void **state) {
    (void)state;
    assert_becomes("gr\xfcn", "gr\xc3\xbcn");
    assert_becomes("\xff\xfe\x80", "\xc3\xbf\xc3\xbe\xc2\x80");
    assert_becomes("cut \xe2\x9c", "cut \xc3\xa2\xc2\x9c");
    assert_becomes("\xed\xa0\x80", "\xc3\xad\xc2\xa0\xc2\x80"); /* a surrogate */
    assert_becomes("\xc0\xaf", "\xc3\x80\xc2\xaf");             /* overlong */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_stays),
        cmocka_unit_test(test_other_bytes_are_latin_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
