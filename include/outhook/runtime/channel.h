#ifndef OUTHOOK_RUNTIME_CHANNEL_H
#define OUTHOOK_RUNTIME_CHANNEL_H

/*
 * A bounded channel of messages from any number of threads to one. It is the only thing that the
 * daemon's threads share.
 *
 * A message is a pointer whose ownership goes with it. A full channel refuses (the sender stops
 * taking work) or makes the sender wait, never grows. Closing lets the receiver drain what is
 * inside and refuses everything new.
 *
 * The receiver is woken by a callback, so that it may sit in a libuv loop or in ppoll(): it is
 * called, on the sender's thread and outside the lock, when an empty channel gets a message (or is
 * rung, for those that were posted), and when the channel is closed. After a wake-up the receiver
 * must take until channel_receive() gives 0.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct channel;

enum channel_result { CHANNEL_SENT, CHANNEL_FULL, CHANNEL_CLOSED };

/* A channel for up to `capacity` messages (at least 1). `wake` may be NULL. */
struct channel *channel_new(size_t capacity, void (*wake)(void *context), void *context);

/* Frees a channel that no thread uses any more; messages inside are the caller's loss. NULL is
 * fine. */
void channel_free(struct channel *channel);

/* Sends, or says at once why not; the message stays the caller's then. Any thread. */
enum channel_result channel_send(struct channel *channel, void *message) must_check;

/* As channel_send(), but without waking the receiver: for a sender with several messages, which
 * rings after the last of them, so that there is one wake-up for all. */
enum channel_result channel_post(struct channel *channel, void *message) must_check;

/* Wakes the receiver if it has not taken everything yet. */
void channel_ring(struct channel *channel);

/* As channel_post(), but waits while the channel is full, having rung. Never CHANNEL_FULL. Any
 * thread that may block. */
enum channel_result channel_post_wait(struct channel *channel, void *message) must_check;

/* As channel_send(), but waits while the channel is full. */
enum channel_result channel_send_wait(struct channel *channel, void *message) must_check;

/* Takes up to `most` messages, oldest first, and returns how many. Never waits. The receiver only.
 */
size_t channel_receive(struct channel *channel, void **messages, size_t most);

/* Refuses every message from now on, and wakes the receiver and all who wait. Any thread; again and
 * again. */
void channel_close(struct channel *channel);

/* Closed, and nothing left inside. Any thread. */
bool channel_drained(struct channel *channel);

#endif
