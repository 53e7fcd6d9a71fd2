#ifndef OUTHOOK_RUNTIME_WAKER_H
#define OUTHOOK_RUNTIME_WAKER_H

/*
 * What one thread sleeps on and others wake it by: an eventfd, so that it can be waited for in
 * ppoll(), in epoll or in a libuv loop. Wakings that come before the sleeper has taken the first
 * one cost no system call. (uv_async_send() is not for this: while a sender is being preempted in
 * the middle of it, the loop of libuv 1.44 spins.)
 */

#include <stdatomic.h>

struct waker {
    int fd; /* readable when there was a waking */
    atomic_bool woken;
};

/* Aborts when the process has no file descriptor left: nothing has begun yet. */
void waker_open(struct waker *waker);

void waker_close(struct waker *waker);

/* Makes the fd readable. Any thread, from the opening until the closing. */
void waker_wake(struct waker *waker);

/* To be called by the sleeper before it looks for what it was woken for: what is sent from now on
 * wakes it again. */
void waker_take(struct waker *waker);

#endif
