#include "outhook/runtime/channel.h"

#include "outhook/base/memory.h"

#include <pthread.h>
#include <stdlib.h>

struct channel {
    pthread_mutex_t lock;
    pthread_cond_t room; /* signalled when a message was taken, and when closed */
    void **ring;
    size_t capacity, first, count;
    size_t waiting; /* senders that wait for room */
    bool closed;
    void (*wake)(void *context);
    void *context;
};

struct channel *channel_new(size_t capacity, void (*wake)(void *context), void *context) {
    struct channel *channel = new (struct channel);
    pthread_mutex_init(&channel->lock, NULL);
    pthread_cond_init(&channel->room, NULL);
    channel->ring = memory_new(capacity, sizeof(void *));
    channel->capacity = capacity;
    channel->wake = wake;
    channel->context = context;
    return channel;
}

void channel_free(struct channel *channel) {
    if (!channel)
        return;
    pthread_cond_destroy(&channel->room);
    pthread_mutex_destroy(&channel->lock);
    free(channel->ring);
    free(channel);
}

static void channel_wake(struct channel *channel) {
    if (channel->wake)
        channel->wake(channel->context);
}

/* With the lock held. True when the receiver has to be woken. */
static bool channel_put(struct channel *channel, void *message) {
    channel->ring[(channel->first + channel->count) % channel->capacity] = message;
    return channel->count++ == 0;
}

/* *was_empty tells whether the receiver has to be woken. */
static enum channel_result channel_try(struct channel *channel, void *message, bool *was_empty) {
    enum channel_result result = CHANNEL_SENT;
    *was_empty = false;

    pthread_mutex_lock(&channel->lock);
    if (channel->closed)
        result = CHANNEL_CLOSED;
    else if (channel->count == channel->capacity)
        result = CHANNEL_FULL;
    else
        *was_empty = channel_put(channel, message);
    pthread_mutex_unlock(&channel->lock);
    return result;
}

enum channel_result channel_post(struct channel *channel, void *message) {
    bool was_empty;
    return channel_try(channel, message, &was_empty);
}

enum channel_result channel_send(struct channel *channel, void *message) {
    bool was_empty;
    enum channel_result result = channel_try(channel, message, &was_empty);
    if (was_empty)
        channel_wake(channel);
    return result;
}

void channel_ring(struct channel *channel) {
    pthread_mutex_lock(&channel->lock);
    bool waiting = channel->count > 0;
    pthread_mutex_unlock(&channel->lock);
    if (waiting)
        channel_wake(channel);
}

/* Puts it in as soon as there is room, under one hold of the lock. */
static enum channel_result channel_put_waiting(struct channel *channel, void *message,
                                               bool *was_empty) {
    enum channel_result result = CHANNEL_CLOSED;
    *was_empty = false;

    pthread_mutex_lock(&channel->lock);
    channel->waiting++;
    while (!channel->closed && channel->count == channel->capacity)
        pthread_cond_wait(&channel->room, &channel->lock);
    channel->waiting--;
    if (!channel->closed) {
        *was_empty = channel_put(channel, message);
        result = CHANNEL_SENT;
    }
    pthread_mutex_unlock(&channel->lock);
    return result;
}

enum channel_result channel_post_wait(struct channel *channel, void *message) {
    bool ignored;
    enum channel_result result = channel_post(channel, message);
    if (result != CHANNEL_FULL)
        return result;
    channel_wake(channel); /* nobody may have rung for what is in there */
    return channel_put_waiting(channel, message, &ignored);
}

enum channel_result channel_send_wait(struct channel *channel, void *message) {
    bool was_empty;
    enum channel_result result = channel_put_waiting(channel, message, &was_empty);
    if (was_empty)
        channel_wake(channel);
    return result;
}

size_t channel_receive(struct channel *channel, void **messages, size_t most) {
    pthread_mutex_lock(&channel->lock);
    size_t taken = channel->count < most ? channel->count : most;
    for (size_t i = 0; i < taken; i++) {
        messages[i] = channel->ring[channel->first];
        channel->first = (channel->first + 1) % channel->capacity;
    }
    channel->count -= taken;
    if (taken && channel->waiting)
        pthread_cond_broadcast(&channel->room);
    pthread_mutex_unlock(&channel->lock);
    return taken;
}

void channel_close(struct channel *channel) {
    pthread_mutex_lock(&channel->lock);
    bool first_time = !channel->closed;
    channel->closed = true;
    pthread_cond_broadcast(&channel->room);
    pthread_mutex_unlock(&channel->lock);
    if (first_time)
        channel_wake(channel);
}

bool channel_drained(struct channel *channel) {
    pthread_mutex_lock(&channel->lock);
    bool drained = channel->closed && channel->count == 0;
    pthread_mutex_unlock(&channel->lock);
    return drained;
}
