#include "outhook/delivery/hmac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check(const void *key, size_t key_bytes, const char *head, const char *body,
                  const char *expected) {
    unsigned char mac[HMAC_BYTES];
    char hex[2 * HMAC_BYTES + 1];
    struct hmac_key prepared;
    hmac_key_set(&prepared, key, key_bytes);
    for (int again = 0; again < 2; again++) { /* the prepared key is not used up */
        hmac_make(&prepared, head, strlen(head), body, strlen(body), mac);
        for (size_t i = 0; i < sizeof mac; i++)
            snprintf(hex + 2 * i, 3, "%02x", mac[i]);
        assert_string_equal(hex, expected);
    }
}

/* RFC 4231, test cases 1, 2, 6 and 7: a short key, and keys longer than a block. */
static void as_the_rfc_has_it(void **state) {
    (void)state;
    unsigned char short_key[20], long_key[131];
    memset(short_key, 0x0b, sizeof short_key);
    memset(long_key, 0xaa, sizeof long_key);
    check(short_key, sizeof short_key, "Hi ", "There",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check("Jefe", 4, "", "what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    check(long_key, sizeof long_key, "Test Using Larger Than Block-Size Key - Hash Key First", "",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check(long_key, sizeof long_key, "This is a test using a larger than block-size key and a larg",
          "er than block-size data. The key needs to be hashed before being used by the HMAC "
          "algorithm.",
          "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_rfc_has_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
