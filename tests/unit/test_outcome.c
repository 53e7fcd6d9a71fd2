/* Verdicts: what each status code means, and who counts as alive. */

#include "outhook/delivery/outcome.h"

#include "outhook/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_status_has_its_verdict(void **state) {
    (void)state;
    for (int code = 100; code < 600; code++) {
        enum verdict expected = code / 100 == 2              ? VERDICT_DELIVERED
                                : code == 410                ? VERDICT_GONE
                                : code == 429                ? VERDICT_THROTTLED
                                : code == 408 || code == 425 ? VERDICT_FAILED
                                : code / 100 == 4            ? VERDICT_REJECTED
                                                             : VERDICT_FAILED;
        assert_int_equal(verdict_of_status(code, false), expected);
        assert_int_equal(verdict_of_status(code, true), code == 503 ? VERDICT_THROTTLED : expected);
    }
    assert_int_equal(verdict_of_status(0, false), VERDICT_FAILED);
    assert_int_equal(verdict_of_status(999, true), VERDICT_FAILED);
}

/* They stand in the attempts table: a change of one is a change of the contract. */
static void words(void **state) {
    (void)state;
    static const char *const names[] = {"delivered", "rejected", "gone",        "throttled",
                                        "failed",    "timeout",  "unreachable", "blocked",
                                        "invalid",   "aborted"};
    for (int i = 0; i <= VERDICT_ABORTED; i++)
        assert_string_equal(verdict_name((enum verdict)i), names[i]);
}

static void freeing_leaves_nothing_to_free_again(void **state) {
    (void)state;
    struct outcome outcome = {
        .error = memory_copy_string("connection refused"),
        .response_headers = memory_copy_string("Server: x\r\n"),
        .response_body = memory_copy_string("no"),
        .response_body_bytes = 2,
    };
    outcome_free(&outcome);
    assert_null(outcome.error);
    assert_null(outcome.response_headers);
    assert_null(outcome.response_body);
    outcome_free(&outcome);
}

static void phases_have_words_and_meanings(void **state) {
    (void)state;
    for (int phase = PHASE_LOOKUP; phase <= PHASE_DONE; phase++) {
        assert_true(*phase_meaning((enum phase)phase));
        assert_int_equal(phase_of_name(phase_name((enum phase)phase)), phase);
    }
    assert_int_equal(phase_of_name("something newer"), PHASE_DONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_verdict),
        cmocka_unit_test(words),
        cmocka_unit_test(freeing_leaves_nothing_to_free_again),
        cmocka_unit_test(phases_have_words_and_meanings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
