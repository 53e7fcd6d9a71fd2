/* Durations, and lists of them as a retry_schedule has them.
 *
 * - What is read prints as text that reads as the same.
 * - What the schema's trigger lets in, and it alone, the daemon can read. */

#include "fuzz.h"

#include "outhook/base/buffer.h"
#include "outhook/base/duration.h"
#include "outhook/store/migration.h"

#include <sqlite3.h>

enum { TRIGGER_LENGTH_MAX = 500 };

static bool trigger_takes(const char *text) {
    static sqlite3 *handle;
    static sqlite3_stmt *judge;
    if (!handle) {
        fuzz_require(sqlite3_open(":memory:", &handle) == SQLITE_OK);
        for (int i = 0; i < migrations_count; i++)
            fuzz_require(sqlite3_exec(handle, migrations[i].sql, NULL, NULL, NULL) == SQLITE_OK);
        fuzz_require(sqlite3_prepare_v2(handle, "INSERT INTO _judge_retry_schedule VALUES (?1)", -1,
                                        &judge, NULL) == SQLITE_OK);
    }
    sqlite3_bind_text(judge, 1, text, -1, SQLITE_STATIC);
    int code = sqlite3_step(judge);
    sqlite3_reset(judge);
    sqlite3_clear_bindings(judge);
    return code == SQLITE_DONE;
}

static void judge_again(const struct durations *durations) {
    struct durations again;
    struct buffer text = {0};
    for (int i = 0; i < durations->count; i++) {
        char one[DURATION_TEXT_BYTES];
        int64_t ms = -1;
        duration_format(durations->ms[i], one);
        fuzz_require(duration_parse(one, strlen(one), &ms) && ms == durations->ms[i]);
        buffer_print(&text, "%s ", one);
    }
    fuzz_require(durations_parse(buffer_text(&text), &again));
    fuzz_require(again.count == durations->count);
    fuzz_require(!memcmp(again.ms, durations->ms, (size_t)again.count * sizeof *again.ms));
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    struct durations durations = {0};
    bool taken = durations_parse(text, &durations);
    if (taken) {
        fuzz_require(durations.count >= 1 && durations.count <= DURATIONS_MAX);
        judge_again(&durations);
    }
    if (strlen(text) <= TRIGGER_LENGTH_MAX)
        fuzz_require(trigger_takes(text) == taken);
    free(text);
    return 0;
}
