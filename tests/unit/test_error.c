/* The error: its sentence, its kind, and the exit code of each kind. */

#include "outhook/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void keeps_kind_and_sentence(void **state) {
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, ERROR_BUSY, "%s is held by %d", "the lock", 7), ERROR_BUSY);
    assert_int_equal(error.kind, ERROR_BUSY);
    assert_string_equal(error.text, "the lock is held by 7");
    assert_int_equal(error_set(&error, ERROR_FULL, "full"), ERROR_FULL);
    assert_string_equal(error.text, "full");
    assert_int_equal(error.kind, ERROR_FULL);
}

static void nobody_has_to_listen(void **state) {
    (void)state;
    assert_int_equal(error_set(NULL, ERROR_FAILED, "%s", "unheard"), ERROR_FAILED);
}

static void a_long_sentence_is_cut(void **state) {
    (void)state;
    struct error error = {0};
    char sentence[2 * sizeof error.text];
    memset(sentence, 'x', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    error_set(&error, ERROR_FAILED, "%s", sentence);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void exit_codes(void **state) {
    (void)state;
    static const int failed[] = {ERROR_FAILED, ERROR_BUSY, ERROR_FULL, ERROR_DAMAGED,
                                 ERROR_STOPPED};
    assert_int_equal(error_exit_code(ERROR_USAGE), 2);
    for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
        assert_int_equal(error_exit_code(failed[i]), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_kind_and_sentence),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(a_long_sentence_is_cut),
        cmocka_unit_test(exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
