#include "outhook/runtime/resource.h"

#include "outhook/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static void *resource_realloc(void *old, size_t bytes) {
    return memory_resize(old, 1, bytes);
}

void resource_set_allocator(void) {
    uv_replace_allocator(memory_raw, resource_realloc, memory_new, free);
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
