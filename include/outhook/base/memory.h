#ifndef OUTHOOK_BASE_MEMORY_H
#define OUTHOOK_BASE_MEMORY_H

/*
 * Memory that is there. All of outhook's own structures are small and bounded by its settings, so an
 * allocation that fails means that the machine is out of memory: the process says so and aborts, and
 * what was in flight is delivered again after the restart. (What grows with other people's data, such
 * as payloads, is bounded before it is allocated.)
 */

#include <stddef.h>

/* Zeroed memory for `count` items of `size` bytes; never NULL. Freed with free(). */
void *memory_new(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(), but never NULL. */
void *memory_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy of a string; NULL for NULL. Freed with free(). */
char *memory_copy_string(const char *text);

#define new(type) ((type *)memory_new(1, sizeof(type)))

#endif
