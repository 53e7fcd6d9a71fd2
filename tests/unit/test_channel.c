/* The channel: order, bounds, closing, when the receiver is woken, and senders on many threads. */

#include "outhook/runtime/channel.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PRODUCERS = 4,
    MESSAGES_EACH = 30000,
    SMALL_CAPACITY = 7,
    BATCH = 16,
    GIVE_UP_S = 120, /* a lost wake-up is a test that never ends */
};

static void count_wake(void *context) {
    ++*(int *)context;
}

static void *message(uintptr_t number) {
    return (void *)number;
}

static uintptr_t receive_one(struct channel *channel) {
    void *taken = NULL;
    return channel_receive(channel, &taken, 1) ? (uintptr_t)taken : 0;
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void oldest_first_around_the_ring(void **state) {
    (void)state;
    struct channel *channel = channel_new(3, NULL, NULL);
    uintptr_t sent = 0, taken = 0;
    for (int round = 0; round < 10; round++) {
        assert_int_equal(channel_send(channel, message(++sent)), CHANNEL_SENT);
        assert_int_equal(channel_send(channel, message(++sent)), CHANNEL_SENT);
        assert_int_equal(receive_one(channel), ++taken);
        assert_int_equal(receive_one(channel), ++taken);
        assert_int_equal(receive_one(channel), 0);
    }
    channel_free(channel);
}

static void full_refuses_and_keeps_what_is_inside(void **state) {
    (void)state;
    void *taken[4] = {0};
    struct channel *channel = channel_new(2, NULL, NULL);
    assert_int_equal(channel_send(channel, message(1)), CHANNEL_SENT);
    assert_int_equal(channel_send(channel, message(2)), CHANNEL_SENT);
    assert_int_equal(channel_send(channel, message(3)), CHANNEL_FULL);
    assert_int_equal(channel_receive(channel, taken, 4), 2);
    assert_ptr_equal(taken[0], message(1));
    assert_ptr_equal(taken[1], message(2));
    assert_int_equal(channel_send(channel, message(4)), CHANNEL_SENT);
    assert_int_equal(receive_one(channel), 4);
    channel_free(channel);
}

static void takes_at_most_what_is_asked_for(void **state) {
    (void)state;
    void *taken[8] = {0};
    struct channel *channel = channel_new(8, NULL, NULL);
    for (uintptr_t i = 1; i <= 5; i++)
        assert_int_equal(channel_send(channel, message(i)), CHANNEL_SENT);
    assert_int_equal(channel_receive(channel, taken, 2), 2);
    assert_ptr_equal(taken[1], message(2));
    assert_int_equal(channel_receive(channel, taken, 0), 0);
    assert_int_equal(channel_receive(channel, taken, 8), 3);
    assert_ptr_equal(taken[2], message(5));
    assert_null(taken[3]);
    channel_free(channel);
}

static void posting_wakes_when_it_rings(void **state) {
    (void)state;
    int wakes = 0;
    struct channel *channel = channel_new(2, count_wake, &wakes);
    channel_ring(channel);
    assert_int_equal(wakes, 0); /* for nothing */
    assert_int_equal(channel_post(channel, message(1)), CHANNEL_SENT);
    assert_int_equal(channel_post(channel, message(2)), CHANNEL_SENT);
    assert_int_equal(channel_post(channel, message(3)), CHANNEL_FULL);
    assert_int_equal(wakes, 0);
    channel_ring(channel);
    assert_int_equal(wakes, 1);
    assert_int_equal(receive_one(channel), 1);
    assert_int_equal(receive_one(channel), 2);
    channel_ring(channel);
    assert_int_equal(wakes, 1);
    channel_free(channel);
}

static void one_message_at_a_time(void **state) {
    (void)state;
    struct channel *channel = channel_new(1, NULL, NULL);
    for (uintptr_t i = 1; i <= 5; i++) {
        assert_int_equal(channel_send(channel, message(i)), CHANNEL_SENT);
        assert_int_equal(channel_send(channel, message(99)), CHANNEL_FULL);
        assert_int_equal(receive_one(channel), i);
    }
    channel_free(channel);
}

static void closing_drains_and_refuses(void **state) {
    (void)state;
    struct channel *channel = channel_new(4, NULL, NULL);
    assert_int_equal(channel_send(channel, message(1)), CHANNEL_SENT);
    assert_int_equal(channel_send(channel, message(2)), CHANNEL_SENT);
    assert_false(channel_drained(channel));
    channel_close(channel);
    assert_int_equal(channel_send(channel, message(3)), CHANNEL_CLOSED);
    assert_int_equal(channel_send_wait(channel, message(3)), CHANNEL_CLOSED);
    assert_false(channel_drained(channel));
    assert_int_equal(receive_one(channel), 1);
    assert_false(channel_drained(channel));
    assert_int_equal(receive_one(channel), 2);
    assert_true(channel_drained(channel));
    channel_close(channel);
    assert_true(channel_drained(channel));
    channel_free(channel);
}

static void an_open_channel_is_never_drained(void **state) {
    (void)state;
    struct channel *channel = channel_new(1, NULL, NULL);
    assert_false(channel_drained(channel));
    channel_close(channel);
    assert_true(channel_drained(channel));
    channel_free(channel);
    channel_free(NULL);
}

/* Full and closed: closed is what the sender has to know. */
static void closed_counts_more_than_full(void **state) {
    (void)state;
    struct channel *channel = channel_new(1, NULL, NULL);
    assert_int_equal(channel_send(channel, message(1)), CHANNEL_SENT);
    channel_close(channel);
    assert_int_equal(channel_send(channel, message(2)), CHANNEL_CLOSED);
    channel_free(channel);
}

static void woken_when_the_first_message_comes(void **state) {
    (void)state;
    int wakes = 0;
    struct channel *channel = channel_new(2, count_wake, &wakes);
    assert_int_equal(channel_send(channel, message(1)), CHANNEL_SENT);
    assert_int_equal(wakes, 1);
    assert_int_equal(channel_send(channel, message(2)), CHANNEL_SENT);
    assert_int_equal(channel_send(channel, message(3)), CHANNEL_FULL);
    assert_int_equal(wakes, 1);
    assert_int_equal(receive_one(channel), 1);
    assert_int_equal(channel_send_wait(channel, message(4)), CHANNEL_SENT);
    assert_int_equal(wakes, 1); /* it was not empty */
    assert_int_equal(receive_one(channel), 2);
    assert_int_equal(receive_one(channel), 4);
    assert_int_equal(channel_send_wait(channel, message(5)), CHANNEL_SENT);
    assert_int_equal(wakes, 2);
    channel_free(channel);
}

static void woken_once_by_closing(void **state) {
    (void)state;
    int wakes = 0;
    struct channel *channel = channel_new(2, count_wake, &wakes);
    channel_close(channel);
    channel_close(channel);
    assert_int_equal(wakes, 1);
    assert_int_equal(channel_send(channel, message(1)), CHANNEL_CLOSED);
    assert_int_equal(wakes, 1);
    channel_free(channel);
}

/* ---- senders that wait ----------------------------------------------------------------------- */

struct waiter {
    struct channel *channel;
    pthread_t thread;
    atomic_int tid;
    atomic_bool returned;
    enum channel_result result;
};

static void *waiter_run(void *context) {
    struct waiter *waiter = context;
    atomic_store(&waiter->tid, gettid());
    waiter->result = channel_send_wait(waiter->channel, message(2));
    atomic_store(&waiter->returned, true);
    return NULL;
}

/* The kernel's word for a thread that sits in a wait. */
static char thread_state(int tid) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return '?';
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] ? name_end[2] : '?';
}

/* Starts a sender on a channel of one that is full, and returns once it sleeps. */
static void waiter_start(struct waiter *waiter) {
    *waiter = (struct waiter){.channel = channel_new(1, NULL, NULL)};
    assert_int_equal(channel_send(waiter->channel, message(1)), CHANNEL_SENT);
    assert_int_equal(pthread_create(&waiter->thread, NULL, waiter_run, waiter), 0);
    while (!atomic_load(&waiter->tid) || thread_state(atomic_load(&waiter->tid)) != 'S')
        sched_yield();
    assert_false(atomic_load(&waiter->returned));
}

static void a_sender_waits_for_room(void **state) {
    (void)state;
    struct waiter waiter;
    waiter_start(&waiter);
    assert_int_equal(receive_one(waiter.channel), 1);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.result, CHANNEL_SENT);
    assert_int_equal(receive_one(waiter.channel), 2);
    channel_free(waiter.channel);
}

static void a_sender_waits_until_it_is_closed(void **state) {
    (void)state;
    struct waiter waiter;
    waiter_start(&waiter);
    channel_close(waiter.channel);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.result, CHANNEL_CLOSED);
    assert_int_equal(receive_one(waiter.channel), 1);
    assert_true(channel_drained(waiter.channel));
    channel_free(waiter.channel);
}

/* ---- many producers, one consumer ------------------------------------------------------------ */

struct fan_in {
    struct channel *channel;
    sem_t wakes;
    bool waits; /* senders wait for room, instead of trying again */
    pthread_t threads[PRODUCERS];
};

struct producer {
    struct fan_in *fan_in;
    uintptr_t number;
};

static void *producer_run(void *context) {
    const struct producer *producer = context;
    struct fan_in *fan_in = producer->fan_in;
    for (uintptr_t i = 1; i <= MESSAGES_EACH; i++) {
        void *next = message(producer->number * (MESSAGES_EACH + 1) + i);
        enum channel_result result;
        if (fan_in->waits)
            result = channel_send_wait(fan_in->channel, next);
        else
            while ((result = channel_send(fan_in->channel, next)) == CHANNEL_FULL)
                sched_yield();
        if (result != CHANNEL_SENT)
            return context;
    }
    return NULL;
}

static void post(void *context) {
    sem_post(context);
}

/* Sleeps until woken, then takes until there is nothing: the contract of channel.h. */
static void consume_all(struct fan_in *fan_in) {
    uintptr_t last[PRODUCERS] = {0};
    for (int total = 0; total < PRODUCERS * MESSAGES_EACH;) {
        void *taken[BATCH];
        size_t count;
        while (sem_wait(&fan_in->wakes) && errno == EINTR)
            ;
        while ((count = channel_receive(fan_in->channel, taken, BATCH))) {
            assert_true(count <= SMALL_CAPACITY);
            for (size_t i = 0; i < count; i++) {
                uintptr_t from = (uintptr_t)taken[i] / (MESSAGES_EACH + 1);
                uintptr_t number = (uintptr_t)taken[i] % (MESSAGES_EACH + 1);
                assert_true(from < PRODUCERS);
                assert_int_equal(number, last[from] + 1); /* none lost, none twice, in order */
                last[from] = number;
            }
            total += (int)count;
        }
    }
}

static void fan_in_test(bool waits, size_t capacity) {
    struct fan_in fan_in = {.waits = waits};
    struct producer producers[PRODUCERS];
    sem_init(&fan_in.wakes, 0, 0);
    fan_in.channel = channel_new(capacity, post, &fan_in.wakes);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&fan_in, (uintptr_t)i};
        assert_int_equal(pthread_create(&fan_in.threads[i], NULL, producer_run, &producers[i]), 0);
    }
    consume_all(&fan_in);
    for (int i = 0; i < PRODUCERS; i++) {
        void *failed = NULL;
        pthread_join(fan_in.threads[i], &failed);
        assert_null(failed);
    }
    channel_close(fan_in.channel);
    assert_true(channel_drained(fan_in.channel));
    channel_free(fan_in.channel);
    sem_destroy(&fan_in.wakes);
}

static void many_that_wait(void **state) {
    (void)state;
    fan_in_test(true, SMALL_CAPACITY);
}

static void many_that_try_again(void **state) {
    (void)state;
    fan_in_test(false, SMALL_CAPACITY);
}

static void many_through_a_channel_of_one(void **state) {
    (void)state;
    fan_in_test(true, 1);
}

/* All who wait are told, not only one of them. */
static void closing_lets_every_sender_go(void **state) {
    (void)state;
    struct waiter waiters[PRODUCERS];
    waiter_start(&waiters[0]);
    for (int i = 1; i < PRODUCERS; i++) {
        waiters[i] = (struct waiter){.channel = waiters[0].channel};
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, waiter_run, &waiters[i]), 0);
    }
    for (int i = 1; i < PRODUCERS; i++)
        while (!atomic_load(&waiters[i].tid) || thread_state(atomic_load(&waiters[i].tid)) != 'S')
            sched_yield();
    channel_close(waiters[0].channel);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].result, CHANNEL_CLOSED);
    }
    channel_free(waiters[0].channel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_first_around_the_ring),
        cmocka_unit_test(full_refuses_and_keeps_what_is_inside),
        cmocka_unit_test(takes_at_most_what_is_asked_for),
        cmocka_unit_test(one_message_at_a_time),
        cmocka_unit_test(closing_drains_and_refuses),
        cmocka_unit_test(an_open_channel_is_never_drained),
        cmocka_unit_test(closed_counts_more_than_full),
        cmocka_unit_test(woken_when_the_first_message_comes),
        cmocka_unit_test(posting_wakes_when_it_rings),
        cmocka_unit_test(woken_once_by_closing),
        cmocka_unit_test(a_sender_waits_for_room),
        cmocka_unit_test(a_sender_waits_until_it_is_closed),
        cmocka_unit_test(closing_lets_every_sender_go),
        cmocka_unit_test(many_that_wait),
        cmocka_unit_test(many_that_try_again),
        cmocka_unit_test(many_through_a_channel_of_one),
    };
    alarm(GIVE_UP_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
