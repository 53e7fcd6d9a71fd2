/*
 * The channel, in every order: nothing that was taken in is lost, comes twice or overtakes what the
 * same sender sent before; nobody waits for ever; closing lets all go; and the memory that threads
 * share is used under the lock.
 */

#include "model.h"
#include "outhook/runtime/channel.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SENDERS_MAX = 3, MESSAGES_MAX = 3 };

static struct {
    struct channel *channel;
    struct model_event wake; /* of the receiver */
    model_thread senders[SENDERS_MAX], closer;
    int n_senders, messages, batch;
    bool waits; /* channel_send_wait() instead of channel_send() */
    bool rings; /* channel_post_wait(), and channel_ring() behind the last */
    bool sent[SENDERS_MAX][MESSAGES_MAX];
    int got[SENDERS_MAX][MESSAGES_MAX], last[SENDERS_MAX];
} world;

static void wake(void *context) {
    model_event_set(context);
}

static void begin(size_t capacity, int senders, int messages, int batch, bool waits) {
    memset(&world, 0, sizeof world);
    world.n_senders = senders;
    world.messages = messages;
    world.batch = batch;
    world.waits = waits;
    world.channel = channel_new(capacity, wake, &world.wake);
}

static void *message(int sender, int number) {
    return (void *)(uintptr_t)(1 + sender * MESSAGES_MAX + number);
}

static enum channel_result send_one(void *message) {
    return world.rings   ? channel_post_wait(world.channel, message)
           : world.waits ? channel_send_wait(world.channel, message)
                         : channel_send(world.channel, message);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static void *send_all(void *argument) {
    int sender = (int)(uintptr_t)argument;
    bool closed = false;
    for (int i = 0; i < world.messages; i++) {
        void *next = message(sender, i);
        enum channel_result result = send_one(next);
        model_check(!world.waits || result != CHANNEL_FULL, "a sender that waits was told full");
        model_check(!closed || result == CHANNEL_CLOSED, "sent after it was closed");
        closed = result == CHANNEL_CLOSED;
        world.sent[sender][i] = result == CHANNEL_SENT;
    }
    if (world.rings)
        channel_ring(world.channel);
    return NULL;
}

static void *close_it(void *argument) {
    channel_close(world.channel);
    return argument;
}

static void take(void *taken) {
    int number = (int)(uintptr_t)taken - 1;
    int sender = number / MESSAGES_MAX, at = number % MESSAGES_MAX;
    model_check(number >= 0 && sender < world.n_senders, "what nobody sent was received");
    model_check(!world.got[sender][at]++, "message %d of sender %d came twice", at, sender);
    model_check(at >= world.last[sender], "message %d of sender %d was overtaken", at, sender);
    world.last[sender] = at;
}

/* What a wake-up obliges the receiver to: to take until there is nothing. */
static int take_all(void) {
    void *taken[MESSAGES_MAX];
    size_t count;
    int total = 0;
    while ((count = channel_receive(world.channel, taken, (size_t)world.batch))) {
        model_check(count <= (size_t)world.batch, "more than was asked for");
        for (size_t i = 0; i < count; i++)
            take(taken[i]);
        total += (int)count;
    }
    return total;
}

static void start_senders(void) {
    for (int i = 0; i < world.n_senders; i++)
        if (model_thread_create(&world.senders[i], send_all, (void *)(uintptr_t)i))
            model_fail("no thread");
}

static void end(void) {
    for (int i = 0; i < world.n_senders; i++)
        model_thread_join(world.senders[i]);
    for (int i = 0; i < world.n_senders; i++)
        for (int j = 0; j < world.messages; j++)
            model_check(world.got[i][j] == world.sent[i][j], "message %d of sender %d was %s", j, i,
                        world.sent[i][j] ? "lost" : "received, and its sender told otherwise");
    channel_free(world.channel);
}

/* ---- scenarios --------------------------------------------------------------------------------
 */

/* The receiver knows how much is coming, and sleeps until all of it is there. */
static void receive_all(void) {
    start_senders();
    for (int total = 0; total < world.n_senders * world.messages; total += take_all())
        model_event_wait(&world.wake);
    end();
}

static void two_that_wait_through_one(void) {
    begin(1, 2, 2, 1, true);
    receive_all();
}

static void three_that_wait_through_one(void) {
    begin(1, 3, 1, 1, true);
    receive_all();
}

static void two_that_wait_through_two(void) {
    begin(2, 2, 2, 2, true);
    receive_all();
}

/* One wake-up for several messages; a full channel wakes all the same. */
static void two_that_ring_through_two(void) {
    begin(2, 2, 2, 2, true);
    world.rings = true;
    receive_all();
}

static void one_that_rings_through_one(void) {
    begin(1, 1, 3, 1, true);
    world.rings = true;
    receive_all();
}

static void one_that_rings_for_three(void) {
    begin(3, 1, 3, 2, true);
    world.rings = true;
    receive_all();
}

/* Somebody closes at any moment; the receiver sleeps, and takes, until the channel is drained. */
static void drain(void) {
    start_senders();
    if (model_thread_create(&world.closer, close_it, NULL))
        model_fail("no thread");
    while (!channel_drained(world.channel)) {
        model_event_wait(&world.wake);
        take_all();
    }
    model_check(!take_all(), "something was inside a drained channel");
    model_thread_join(world.closer);
    end();
}

static void closed_while_two_try(void) {
    begin(1, 2, 2, 1, false);
    drain();
}

static void closed_while_two_wait(void) {
    begin(1, 2, 1, 1, true);
    drain();
}

static void closed_while_two_wait_twice(void) {
    begin(1, 2, 2, 1, true);
    drain();
}

static void closed_while_one_sends_three(void) {
    begin(2, 1, 3, 3, true);
    drain();
}

/* Nobody receives: whoever waits for room is let go by closing alone. */
static void closed_while_nobody_receives(void) {
    begin(1, 3, 1, 1, true);
    start_senders();
    channel_close(world.channel);
    for (int i = 0; i < world.n_senders; i++)
        model_thread_join(world.senders[i]);
    take_all();
    model_check(channel_drained(world.channel), "not drained");
    end();
}

static void closed_by_two(void) {
    model_thread other;
    begin(1, 0, 0, 1, true);
    if (model_thread_create(&other, close_it, NULL))
        model_fail("no thread");
    channel_close(world.channel);
    model_event_wait(&world.wake);
    model_check(channel_drained(world.channel), "closed, and not drained");
    model_thread_join(other);
    end();
}

/* A full channel refuses, and keeps what it has; the receiver takes while senders try. */
static void two_that_try(void) {
    begin(1, 2, 2, 2, false);
    start_senders();
    take_all();
    for (int i = 0; i < world.n_senders; i++)
        model_thread_join(world.senders[i]);
    take_all();
    end();
}

int main(int argc, char **argv) {
    static const struct model_scenario scenarios[] = {
        {"two_that_wait_through_one", two_that_wait_through_one, -1},
        {"three_that_wait_through_one", three_that_wait_through_one, -1},
        {"two_that_wait_through_two", two_that_wait_through_two, -1},
        {"two_that_ring_through_two", two_that_ring_through_two, 2},
        {"one_that_rings_through_one", one_that_rings_through_one, -1},
        {"one_that_rings_for_three", one_that_rings_for_three, -1},
        {"closed_while_two_try", closed_while_two_try, -1},
        {"closed_while_two_wait", closed_while_two_wait, -1},
        {"closed_while_two_wait_twice", closed_while_two_wait_twice, 1},
        {"closed_while_one_sends_three", closed_while_one_sends_three, -1},
        {"closed_while_nobody_receives", closed_while_nobody_receives, -1},
        {"closed_by_two", closed_by_two, -1},
        {"two_that_try", two_that_try, -1},
    };
    return model_main(argc, argv, scenarios, sizeof scenarios / sizeof *scenarios);
}
