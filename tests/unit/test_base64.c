/* Base64: the vectors of RFC 4648, section 10, and what is none. */

#include "outhook/delivery/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const vectors[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};

enum { VECTORS = sizeof vectors / sizeof *vectors };

static void encodes(void **state) {
    (void)state;
    for (int i = 0; i < VECTORS; i++) {
        char text[BASE64_TEXT_BYTES(6)];
        base64_encode((const unsigned char *)vectors[i][0], strlen(vectors[i][0]), text);
        assert_string_equal(text, vectors[i][1]);
    }
}

static bool decode(const char *text, unsigned char *bytes, size_t capacity, size_t *length) {
    return base64_decode(text, strlen(text), bytes, capacity, length);
}

static void decodes_with_and_without_padding(void **state) {
    (void)state;
    for (int i = 0; i < VECTORS; i++) {
        unsigned char bytes[8];
        size_t length, plain = strlen(vectors[i][0]);
        assert_true(decode(vectors[i][1], bytes, plain, &length));
        assert_int_equal(length, plain);
        assert_memory_equal(bytes, vectors[i][0], plain);
        assert_true(base64_decode(vectors[i][1], strcspn(vectors[i][1], "="), bytes, 8, &length));
        assert_int_equal(length, plain);
        assert_memory_equal(bytes, vectors[i][0], plain);
    }
}

static void refuses_what_is_none(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "Z",    "Zg=", "Zg===", "Zm9v=",    "Zm9v====", "Z m9v",       "Zm9v\n", "Zm9_",
        "Zm-v", "=",   "====",  "Zg==Zg==", "Zm9vY",    "\xc3\xa4===", " "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unsigned char bytes[16];
        size_t length;
        assert_false(decode(wrong[i], bytes, sizeof bytes, &length));
    }
}

static void keeps_to_the_room_that_is_there(void **state) {
    (void)state;
    unsigned char bytes[4] = {9, 9, 9, 9};
    size_t length;
    assert_false(decode("Zm9v", bytes, 2, &length));
    assert_true(decode("Zm8=", bytes, 2, &length));
    assert_int_equal(bytes[2], 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes),
        cmocka_unit_test(decodes_with_and_without_padding),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(keeps_to_the_room_that_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
