/*
 * Slows down the clock of a program that itself runs slowly, under valgrind: with LD_PRELOAD.
 *
 * What waits for time (outcomes for company, connections for their age) then waits for as many
 * instructions as it would without valgrind, so that what is counted is what usually happens.
 */

#include <dlfcn.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

enum { TIMES_SLOWER = 100, CLOCKS = 16, SECOND_NS = 1000000000 };

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
static int (*real_epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
static int64_t began_at_ns[CLOCKS];

/* The allocator asks for the time before anything is set up here. */
static int real_time(clockid_t clock, struct timespec *time) {
    if (!real_clock_gettime) /* POSIX's way of turning dlsym()'s result into a function */
        *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    return real_clock_gettime(clock, time);
}

static int64_t real_ns(clockid_t clock) {
    struct timespec time;
    real_time(clock, &time);
    return time.tv_sec * SECOND_NS + time.tv_nsec;
}

static __attribute__((constructor)) void begin(void) {
    *(void **)&real_ppoll = dlsym(RTLD_NEXT, "ppoll");
    *(void **)&real_epoll_pwait = dlsym(RTLD_NEXT, "epoll_pwait");
    for (clockid_t clock = 0; clock < CLOCKS; clock++)
        began_at_ns[clock] = real_ns(clock);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock < 0 || clock >= CLOCKS || clock == CLOCK_PROCESS_CPUTIME_ID ||
        clock == CLOCK_THREAD_CPUTIME_ID || !began_at_ns[clock])
        return real_time(clock, time);
    int64_t ns = began_at_ns[clock] + (real_ns(clock) - began_at_ns[clock]) / TIMES_SLOWER;
    *time = (struct timespec){ns / SECOND_NS, ns % SECOND_NS};
    return 0;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    if (!timeout)
        return real_ppoll(fds, count, timeout, mask);
    int64_t ns = (timeout->tv_sec * SECOND_NS + timeout->tv_nsec) * TIMES_SLOWER;
    struct timespec longer = {ns / SECOND_NS, ns % SECOND_NS};
    return real_ppoll(fds, count, &longer, mask);
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout_ms,
                const sigset_t *mask) {
    int longer_ms = timeout_ms > 0 ? timeout_ms * TIMES_SLOWER : timeout_ms;
    return real_epoll_pwait(fd, events, most, longer_ms, mask);
}
