#include "outhook/runtime/resource.h"

#include "outhook/base/memory.h"

#include <errno.h>
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

void resource_check(int code, const char *what) {
    if (!code)
        return;
    fprintf(stderr, "outhookd: can't make %s: %s%s\n", what, strerror(-code),
            code == -EMFILE
                ? "; raise the limit of open files (ulimit -n, or LimitNOFILE= of the unit)"
                : "");
    _exit(EXIT_FAILURE);
}
