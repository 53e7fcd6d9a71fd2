/* Secrets sealed at rest: what opens, and everything that must not. */

#include "outhook/delivery/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA="

static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

static struct seal_keys keys_of(const char *text) {
    struct seal_keys keys;
    struct error error = {0};
    if (seal_keys_parse(text, &keys, &error))
        fail_msg("%s", error.text);
    return keys;
}

static char *sealed_by(const char *key, int64_t endpoint_id) {
    struct seal_keys keys = keys_of(key);
    struct error error = {0};
    char *sealed = NULL;
    assert_int_equal(seal_close(&keys, endpoint_id, secret, &sealed, &error), 0);
    return sealed;
}

static void assert_opens(const char *keys_text, int64_t endpoint_id, const char *stored) {
    struct seal_keys keys = keys_of(keys_text);
    struct error error = {0};
    char *opened = NULL;
    if (seal_open(&keys, endpoint_id, stored, &opened, &error))
        fail_msg("%s", error.text);
    assert_string_equal(opened, secret);
    free(opened);
}

static void assert_stays_shut(const char *keys_text, int64_t endpoint_id, const char *stored,
                              const char *because) {
    struct seal_keys keys = *keys_text ? keys_of(keys_text) : (struct seal_keys){0};
    struct error error = {0};
    char *opened = NULL;
    assert_int_equal(seal_open(&keys, endpoint_id, stored, &opened, &error), ERROR_FAILED);
    assert_null(opened);
    if (!strstr(error.text, because))
        fail_msg("'%s' does not say '%s'", error.text, because);
    assert_null(strstr(error.text, secret));
}

static void opens_what_it_has_sealed(void **state) {
    (void)state;
    char *sealed = sealed_by(KEY_A, 7);
    assert_memory_equal(sealed, "sealed:v1:", 10);
    assert_null(strstr(sealed, "MfKQ9r8GKYqr"));
    assert_true(seal_is_sealed(sealed));
    assert_false(seal_is_sealed(secret));
    assert_opens(KEY_A, 7, sealed);
    assert_opens(KEY_A, 7, secret); /* a plain one is itself */
    free(sealed);
}

static void never_the_same_twice(void **state) {
    (void)state;
    char *one = sealed_by(KEY_A, 7), *two = sealed_by(KEY_A, 7);
    assert_string_not_equal(one, two);
    free(one);
    free(two);
}

static void the_first_key_seals_and_all_open(void **state) {
    (void)state;
    struct seal_keys both = keys_of("# the new one\n" KEY_B "\n\n  " KEY_A " \r\n");
    char *old = sealed_by(KEY_A, 1), *current = sealed_by(KEY_B, 1);
    assert_int_equal(both.count, 2);
    assert_false(seal_is_current(&both, old));
    assert_true(seal_is_current(&both, current));
    assert_false(seal_is_current(&both, secret));
    assert_opens(KEY_B "\n" KEY_A, 1, old);
    assert_opens(KEY_B "\n" KEY_A, 1, current);
    free(old);
    free(current);
}

static void another_key_opens_nothing(void **state) {
    (void)state;
    char *sealed = sealed_by(KEY_A, 1);
    assert_stays_shut(KEY_B, 1, sealed, "sealed with the key ");
    assert_stays_shut("", 1, sealed, "secret_key_file does not hold");
    free(sealed);
}

static void another_endpoint_opens_nothing(void **state) {
    (void)state;
    char *sealed = sealed_by(KEY_A, 1);
    assert_stays_shut(KEY_A, 2, sealed, "belongs to another endpoint");
    free(sealed);
}

static void a_single_changed_character_is_seen(void **state) {
    (void)state;
    char *sealed = sealed_by(KEY_A, 1);
    for (size_t i = strlen("sealed:v1:12345678:"); sealed[i] && sealed[i] != '='; i++) {
        char was = sealed[i];
        sealed[i] = was == 'A' ? 'Q' : 'A'; /* differ in bits that count in the last one, too */
        assert_stays_shut(KEY_A, 1, sealed, "does not open");
        sealed[i] = was;
    }
    assert_opens(KEY_A, 1, sealed);
    free(sealed);
}

static void other_forms_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"sealed:", "sealed:v2:12345678:AAAA",
                                        "sealed:v1:", "sealed:v1:1234:AAAA", "sealed:v1:12345678"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_stays_shut(KEY_A, 1, wrong[i], "form that this version does not know");
}

static void the_longest_secret_fits_its_column(void **state) {
    (void)state;
    struct seal_keys keys = keys_of(KEY_A);
    struct error error = {0};
    char longest[501], *sealed = NULL, *opened = NULL;
    memset(longest, 'x', 500);
    longest[500] = '\0';
    assert_int_equal(seal_close(&keys, 9, longest, &sealed, &error), 0);
    assert_true(strlen(sealed) <= 1000);
    assert_int_equal(seal_open(&keys, 9, sealed, &opened, &error), 0);
    assert_string_equal(opened, longest);
    free(sealed);
    free(opened);
}

static void assert_no_keys(const char *text, const char *because) {
    struct seal_keys keys;
    struct error error = {0};
    assert_int_equal(seal_keys_parse(text, &keys, &error), ERROR_USAGE);
    assert_int_equal(keys.count, 0);
    if (!strstr(error.text, because))
        fail_msg("'%s' does not say '%s'", error.text, because);
}

static void a_key_file_that_is_none(void **state) {
    (void)state;
    assert_no_keys("", "holds no key");
    assert_no_keys("# nothing\n\n", "holds no key");
    assert_no_keys("hunter2\n", "line 1 is not a key");
    assert_no_keys(KEY_A "\nAAAA\n", "line 2 is not a key");
    assert_no_keys(KEY_A "\n" KEY_A "\n", "line 2 is a key that stands there already");
    struct error error = {0};
    struct seal_keys keys;
    assert_int_equal(seal_keys_parse("hunter2hunter2\n", &keys, &error), ERROR_USAGE);
    assert_null(strstr(error.text, "hunter2"));
}

static void as_many_keys_as_there_is_room_for(void **state) {
    (void)state;
    char text[10 * 45] = "";
    for (int i = 0; i < SEAL_KEYS_MAX; i++) {
        char line[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
        line[0] = (char)('A' + i);
        strncat(text, line, sizeof text - strlen(text) - 1);
    }
    assert_int_equal(keys_of(text).count, SEAL_KEYS_MAX);
    strncat(text, KEY_B, sizeof text - strlen(text) - 1);
    assert_no_keys(text, "more than 8 keys");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_it_has_sealed),
        cmocka_unit_test(never_the_same_twice),
        cmocka_unit_test(the_first_key_seals_and_all_open),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(another_endpoint_opens_nothing),
        cmocka_unit_test(a_single_changed_character_is_seen),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(the_longest_secret_fits_its_column),
        cmocka_unit_test(a_key_file_that_is_none),
        cmocka_unit_test(as_many_keys_as_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
