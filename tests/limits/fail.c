/*
 * Loaded in front of a program (LD_PRELOAD), makes allocations and threads fail as a file says that
 * OUTHOOK_FAIL names: see struct control, which the tests write while the program runs. With
 * OUTHOOK_FAIL_TRACE=1 it prints where the allocation was wanted that failed.
 */

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* All are counted from when `armed` was set. */
struct control {
    atomic_int_fast64_t armed;
    atomic_int_fast64_t allocation_first, allocation_last; /* these fail; 0: none */
    atomic_int_fast64_t allocations, allocations_failed;   /* so many there were */
    atomic_int_fast64_t thread_first, thread_last;         /* likewise, of pthread_create() */
    atomic_int_fast64_t threads, threads_failed;
};

static struct control nothing, *control = &nothing;
static bool trace;

static void __attribute__((constructor)) begin(void) {
    const char *path = getenv("OUTHOOK_FAIL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return;
    void *frame;
    trace = getenv("OUTHOOK_FAIL_TRACE") && backtrace(&frame, 1); /* which loads what it needs */
    control = page;
}

static bool fails(atomic_int_fast64_t *count, atomic_int_fast64_t *failed, int64_t first,
                  int64_t last) {
    if (!atomic_load(&control->armed))
        return false;
    int64_t number = (int64_t)atomic_fetch_add(count, 1) + 1;
    if (!first || number < first || number > last)
        return false;
    atomic_fetch_add(failed, 1);
    return true;
}

static bool allocation_fails(void) {
    if (!fails(&control->allocations, &control->allocations_failed, control->allocation_first,
               control->allocation_last))
        return false;
    if (trace) {
        void *frames[30];
        backtrace_symbols_fd(frames, backtrace(frames, 30), STDERR_FILENO);
    }
    errno = ENOMEM;
    return true;
}

/* ---- in libc's place ---------------------------------------------------------------------------
 */

/* POSIX's way of turning dlsym()'s result into a function. It allocates nothing. */
#define FIND(original, name) \
    (*(void **)&(original) = (original) ? *(void **)&(original) : dlsym(RTLD_NEXT, name))

void *malloc(size_t bytes) {
    static void *(*original)(size_t);
    FIND(original, "malloc");
    return allocation_fails() ? NULL : original(bytes);
}

void *calloc(size_t count, size_t bytes) {
    static void *(*original)(size_t, size_t);
    FIND(original, "calloc");
    return allocation_fails() ? NULL : original(count, bytes);
}

void *realloc(void *old, size_t bytes) {
    static void *(*original)(void *, size_t);
    FIND(original, "realloc");
    return allocation_fails() ? NULL : original(old, bytes);
}

void *reallocarray(void *old, size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, all);
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes) {
    static void *(*original)(size_t, size_t);
    FIND(original, "memalign");
    return allocation_fails() ? NULL : original(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    *memory = memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
    static int (*original)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    FIND(original, "pthread_create");
    if (fails(&control->threads, &control->threads_failed, control->thread_first,
              control->thread_last))
        return EAGAIN;
    return original(thread, attributes, run, argument);
}
