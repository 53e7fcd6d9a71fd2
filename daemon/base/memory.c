#include "outhook/base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void memory_exhausted(void) {
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

void *memory_raw(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        memory_exhausted();
    return memory;
}

void *memory_resize(void *old, size_t count, size_t size) {
    void *memory = size ? reallocarray(old, count, size) : realloc(old, 1);
    if (!memory)
        memory_exhausted();
    return memory;
}

char *memory_copy_string(const char *text) {
    if (!text)
        return NULL;

    size_t bytes = strlen(text) + 1;
    char *copy = memory_raw(bytes);
    memcpy(copy, text, bytes);
    return copy;
}

char *memory_vprint(const char *format, va_list arguments) {
    char *text;
    if (vasprintf(&text, format, arguments) < 0)
        memory_exhausted();
    return text;
}

char *memory_print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = memory_vprint(format, arguments);
    va_end(arguments);
    return text;
}
