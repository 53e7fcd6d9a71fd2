#ifndef OUTHOOK_BASE_MEMORY_H
#define OUTHOOK_BASE_MEMORY_H

/*
 * Memory that is there. All of outhook's own structures are small and bounded by its settings, so
 * an allocation that fails means that the machine is out of memory: the process says so and aborts,
 * and what was in flight is delivered again after the restart. (What grows with other people's
 * data, such as payloads, is bounded before it is allocated.)
 *
 * In the daemon libuv, libcurl and OpenSSL take theirs from here, too: each of them can take a failed
 * allocation for something else, such as a URL or a secret that is wrong, which would end a delivery.
 * SQLite tells it as what it is, and the daemon ends by that.
 */

#include <stdarg.h>
#include <stddef.h>

/* Says that the machine is out of memory, and aborts: for what comes from another library. Any
 * thread. */
void memory_exhausted(void) __attribute__((noreturn, cold));

/* Zeroed memory for `count` items of `size` bytes; never NULL. Freed with free(). */
void *memory_new(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* As malloc(), but never NULL, also for 0 bytes. */
void *memory_raw(size_t bytes) __attribute__((malloc, returns_nonnull));

/* As realloc(), but never NULL, also for 0 bytes. */
void *memory_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy of a string; NULL for NULL. Freed with free(). */
char *memory_copy_string(const char *text);

/* A text, as by printf(); never NULL. Freed with free(). */
char *memory_print(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *memory_vprint(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0), returns_nonnull));

#define new(type) ((type *)memory_new(1, sizeof(type)))

#endif
