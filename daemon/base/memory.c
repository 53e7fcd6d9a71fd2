#include "outhook/base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void memory_exhausted(void) {
    static const char sentence[] =
        "outhook: out of memory; what was in flight will be sent again\n";
    ssize_t ignored = write(STDERR_FILENO, sentence, sizeof sentence - 1);
    (void)ignored;
    abort();
}

void *memory_new(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory)
        memory_exhausted();
    return memory;
}

void *memory_resize(void *old, size_t count, size_t size) {
    void *memory = reallocarray(old, count, size);
    if (!memory)
        memory_exhausted();
    return memory;
}

char *memory_copy_string(const char *text) {
    if (!text)
        return NULL;

    size_t bytes = strlen(text) + 1;
    char *copy = memory_new(1, bytes);
    memcpy(copy, text, bytes);
    return copy;
}
