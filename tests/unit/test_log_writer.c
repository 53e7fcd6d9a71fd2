#include "outhook/runtime/log_writer.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A reader that takes one record for each post of `may`, and posts `did` after it. */
static sem_t may, did;
static char last_written[64];
static int records_written, reports_written;

enum { RECORD_BYTES = 1024, RECORDS_KEPT = 1024, SHORT_MS = 10 };

static void reader(const char *text, size_t bytes) {
    sem_wait(&may);
    snprintf(last_written, sizeof last_written, "%.*s", (int)bytes, text);
    records_written++;
    reports_written += !strncmp(last_written, "lost", 4);
    sem_post(&did);
}

static struct log_record *report(uint64_t count) {
    struct log_record *record = log_record_new(RECORD_BYTES);
    snprintf(record->text, RECORD_BYTES, "lost %d", (int)count);
    return record;
}

static const struct log_writer_ops ops = {.write = reader, .tell_lost = report};

static void send_one(int number) {
    struct log_record *record = log_record_new(RECORD_BYTES);
    snprintf(record->text, RECORD_BYTES, "%d", number);
    log_writer_send(record);
}

static void read_some(int count) {
    for (int i = 0; i < count; i++)
        sem_post(&may);
    for (int i = 0; i < count; i++)
        sem_wait(&did);
}

static void test_what_is_too_much_is_counted_once_there_is_room(void **state) {
    (void)state;
    sem_init(&may, 0, 0);
    sem_init(&did, 0, 0);
    log_writer_start(&ops);

    for (int i = 1; i <= RECORDS_KEPT + 10; i++)
        send_one(i);
    /* Not half of it has been read: what comes is left out, and nothing is said yet. */
    for (int i = 0; i < RECORDS_KEPT / 2 - 1; i++) {
        read_some(1);
        send_one(0);
    }
    assert_int_equal(records_written, RECORDS_KEPT / 2 - 1);
    assert_int_equal(reports_written, 0);

    /* The report's place is behind all that was kept, and before what comes after. */
    read_some(2);
    send_one(7777);
    read_some(RECORDS_KEPT / 2 - 1);
    assert_string_equal(last_written, "1024");
    read_some(1);
    assert_string_equal(last_written, "lost 521");
    read_some(1);
    assert_string_equal(last_written, "7777");
    assert_int_equal(reports_written, 1);
}

static void test_the_end_waits_for_a_reader_only_so_long(void **state) {
    (void)state;
    send_one(1);
    assert_false(log_writer_stop(SHORT_MS));
    send_one(2); /* is dropped, and does not wait either */
    assert_int_equal(records_written, RECORDS_KEPT + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_too_much_is_counted_once_there_is_room),
        cmocka_unit_test(test_the_end_waits_for_a_reader_only_so_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
