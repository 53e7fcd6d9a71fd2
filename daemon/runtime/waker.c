#include "outhook/runtime/waker.h"

#include "outhook/runtime/resource.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

void waker_open(struct waker *waker) {
    atomic_init(&waker->woken, false);
    waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    resource_check(waker->fd < 0 ? -errno : 0, "a thread's wake-up");
}

void waker_close(struct waker *waker) {
    close(waker->fd);
    waker->fd = -1;
}

void waker_wake(struct waker *waker) {
    uint64_t one = 1;
    if (atomic_exchange(&waker->woken, true))
        return;
    ssize_t ignored = write(waker->fd, &one, sizeof one);
    (void)ignored;
}

/* Reads first: a waking between the two is lost as an event of the fd, but whatever it was for has
 * been sent before it, and the sleeper looks only after this. */
void waker_take(struct waker *waker) {
    uint64_t wakings;
    ssize_t ignored = read(waker->fd, &wakings, sizeof wakings);
    (void)ignored;
    atomic_store(&waker->woken, false);
}
