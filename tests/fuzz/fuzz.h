#ifndef OUTHOOK_TESTS_FUZZ_H
#define OUTHOOK_TESTS_FUZZ_H

/*
 * What the fuzzers share. Each is a function that libFuzzer calls with bytes of its making; it
 * parses them by our own code, and holds the result against a property that has to be true of any
 * input.
 *
 *     CC=clang cmake -B build-fuzz -DOUTHOOK_FUZZ=ON && cmake --build build-fuzz
 *     sh tests/fuzz/run.sh build-fuzz 60        all of them, for so many seconds each
 *
 * Builds without that option play only the kept corpus (replay.c), as one more test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of any input: ends the program, and so reports the input, when it does not hold. */
#define fuzz_require(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The bytes as a string, up to the first NUL; freed with free(). Its end is the memory's end, so
 * that a sanitizer sees who reads beyond it. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
    size_t length = size ? strnlen((const char *)data, size) : 0;
    char *text = malloc(length + 1);
    fuzz_require(text);
    if (length)
        memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

/* Cuts the next line off *rest and returns it; NULL when there is none. */
static inline char *fuzz_line(char **rest) {
    return strsep(rest, "\n");
}

#endif
