#include "outhook/runtime/resource.h"

#include "outhook/base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

enum { DESCRIPTORS = 8 }; /* more than a loop of libuv's takes, and the pipe for signals */

static void *resource_realloc(void *old, size_t bytes) {
    return memory_resize(old, 1, bytes);
}

void resource_set_allocator(void) {
    uv_replace_allocator(memory_raw, resource_realloc, memory_new, free);
}

void resource_check_descriptors(void) {
    int fds[DESCRIPTORS], count = 0, code = 0;
    while (!code && count < DESCRIPTORS) {
        fds[count] = eventfd(0, EFD_CLOEXEC);
        code = fds[count] < 0 ? -errno : 0;
        count += !code;
    }
    while (count)
        close(fds[--count]);
    resource_check(code, "the main loop");
}

static void *pool_try(void *argument) {
    return argument;
}

static void pool_nothing(uv_work_t *work) {
    (void)work;
}

static void pool_nothing_more(uv_work_t *work, int status) {
    (void)work, (void)status;
}

void resource_start_pool(uv_loop_t *loop) {
    static uv_work_t work;
    pthread_t thread;
    sigset_t all, old;
    int code = pthread_create(&thread, NULL, pool_try, NULL);
    resource_check(-code, "a thread");
    pthread_join(thread, NULL);
    setenv("UV_THREADPOOL_SIZE", "1", 1);
    sigfillset(&all); /* signals are for the loop */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    uv_queue_work(loop, &work, pool_nothing, pool_nothing_more);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void resource_check(int code, const char *what) {
    if (!code)
        return;
    const char *remedy = "";
    if (code == -EMFILE)
        remedy = "; raise the limit of open files (ulimit -n, or LimitNOFILE= of the unit)";
    else if (code == -EAGAIN)
        remedy = "; raise the limit of processes (ulimit -u, or TasksMax= of the unit)";
    fprintf(stderr, "outhookd: can't make %s: %s%s\n", what, strerror(-code), remedy);
    _exit(EXIT_FAILURE);
}
