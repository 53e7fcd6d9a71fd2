/* A rehearsal goes as far as a call does before libcurl begins with it, and leaves nothing. */

#include "outhook/base/clock.h"
#include "outhook/delivery/outcome.h"
#include "outhook/http/call.h"
#include "outhook/http/rehearsal.h"
#include "outhook/http/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool has_header(const struct transfer *transfer, const char *start) {
    for (const struct curl_slist *line = transfer->headers.list; line; line = line->next)
        if (!strncmp(line->data, start, strlen(start)))
            return true;
    return false;
}

static void it_is_set_up_and_signed(void **state) {
    (void)state;
    struct rehearsal *rehearsal = rehearsal_new();
    struct transfer *transfer = transfer_new(NULL);
    struct http_call *call = rehearsal_call(rehearsal);
    assert_in_range(call->outcome.started_at, clock_now().wall_ms - 60000, clock_now().wall_ms);
    assert_true(transfer_start(transfer, call));
    assert_true(has_header(transfer, "webhook-id: msg_rehearsal"));
    assert_true(has_header(transfer, "webhook-signature: v1,"));
    transfer_withdraw(transfer);
    transfer_free(transfer);
    rehearsal_free(rehearsal);
}

static int note_timer(CURLM *multi, long timeout_ms, void *context) {
    (void)multi;
    *(long *)context = timeout_ms;
    return 0;
}

static void a_transfer_is_as_before_after_it(void **state) {
    (void)state;
    CURLM *multi = curl_multi_init();
    long timeout_ms = -2;
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &timeout_ms);
    struct rehearsal *rehearsal = rehearsal_new();
    struct transfer *transfer = transfer_new(NULL);
    for (int i = 0; i < 3; i++) {
        assert_true(transfer_start(transfer, rehearsal_call(rehearsal)));
        curl_multi_add_handle(multi, transfer->easy);
        assert_int_equal(timeout_ms, 0);
        curl_multi_remove_handle(multi, transfer->easy);
        transfer_withdraw(transfer);
        assert_null(transfer->call);
        assert_null(transfer->headers.list);
        assert_true(transfer->has_options); /* what is the same for the next call */
        assert_int_equal(timeout_ms, -1);
    }
    transfer_free(transfer);
    curl_multi_cleanup(multi);
    rehearsal_free(rehearsal);
    rehearsal_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_set_up_and_signed),
        cmocka_unit_test(a_transfer_is_as_before_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
