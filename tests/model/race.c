/*
 * The memory of the code under test. It comes from here (memory_new() and free() are ours), begins
 * anew with every execution, and every access to it is reported by the hooks that the compiler puts
 * in for ThreadSanitizer. An access is a failure when another thread's access to the same byte, one
 * of the two being a write, neither happened before it nor after it; and so is an access to what
 * was freed.
 */

#include "model.h"
#include "outhook/base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 18, GAP = 16, BLOCKS_MAX = 64 };

struct shadow {
    unsigned execution; /* in which the rest was noted */
    bool freed;
    int writer;
    unsigned written_at, read_at[MODEL_THREADS_MAX]; /* in steps of that thread; 0: never */
};

static _Alignas(16) unsigned char arena[ARENA_BYTES];
static struct shadow shadows[ARENA_BYTES];
static struct {
    size_t start, bytes;
    bool freed;
} blocks[BLOCKS_MAX];
static size_t used, n_blocks;
static unsigned execution;

void race_begin(void) {
    execution++;
    used = n_blocks = 0;
}

void race_check_freed(void) {
    for (size_t i = 0; i < n_blocks; i++)
        model_check(blocks[i].freed, "%zu bytes were not freed", blocks[i].bytes);
}

/* ---- accesses ---------------------------------------------------------------------------------
 */

static struct shadow *shadow_of(size_t at) {
    struct shadow *shadow = &shadows[at];
    if (shadow->execution != execution)
        *shadow = (struct shadow){.execution = execution};
    return shadow;
}

static void access_byte(size_t at, bool writes) {
    struct shadow *shadow = shadow_of(at);
    int self = model_self();
    const unsigned *seen = model_clocks[self].steps;
    model_check(!shadow->freed, "thread %d uses what was freed, byte %zu", self, at);
    model_check(shadow->writer == self || shadow->written_at <= seen[shadow->writer],
                "a race: thread %d %s byte %zu, which thread %d writes at the same time", self,
                writes ? "writes" : "reads", at, shadow->writer);
    for (int other = 0; writes && other < MODEL_THREADS_MAX; other++)
        model_check(other == self || shadow->read_at[other] <= seen[other],
                    "a race: thread %d writes byte %zu, which thread %d reads at the same time",
                    self, at, other);
    if (writes) {
        shadow->writer = self;
        shadow->written_at = seen[self];
    } else {
        shadow->read_at[self] = seen[self];
    }
}

static void access_range(const void *address, size_t bytes, bool writes) {
    uintptr_t at = (uintptr_t)address, start = (uintptr_t)arena;
    if (at < start || at >= start + ARENA_BYTES)
        return;
    for (size_t i = 0; i < bytes; i++)
        access_byte(at - start + i, writes);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

void *memory_new(size_t count, size_t size) {
    size_t bytes = count * size;
    if (used + bytes + GAP > ARENA_BYTES || n_blocks == BLOCKS_MAX)
        abort();
    blocks[n_blocks].start = used;
    blocks[n_blocks].bytes = bytes;
    blocks[n_blocks++].freed = false;
    void *memory = arena + used;
    memset(memory, 0, bytes);
    access_range(memory, bytes, true);
    used = (used + bytes + GAP) & ~(size_t)(GAP - 1);
    return memory;
}

void model_free(void *memory);
void model_free(void *memory) {
    if (!memory)
        return;
    for (size_t i = 0; i < n_blocks; i++) {
        if (arena + blocks[i].start != memory)
            continue;
        model_check(!blocks[i].freed, "freed twice");
        access_range(memory, blocks[i].bytes, true);
        for (size_t byte = 0; byte < blocks[i].bytes; byte++)
            shadow_of(blocks[i].start + byte)->freed = true;
        blocks[i].freed = true;
        return;
    }
    abort();
}

/* ---- the compiler's hooks ---------------------------------------------------------------------
 */

#define HOOK(name, ...)                                                                            \
    void name(__VA_ARGS__);                                                                        \
    void name(__VA_ARGS__)
#define HOOKS(bytes)                                                                               \
    HOOK(__tsan_read##bytes, void *at) {                                                           \
        access_range(at, bytes, false);                                                            \
    }                                                                                              \
    HOOK(__tsan_write##bytes, void *at) {                                                          \
        access_range(at, bytes, true);                                                             \
    }                                                                                              \
    HOOK(__tsan_unaligned_read##bytes, void *at) {                                                 \
        access_range(at, bytes, false);                                                            \
    }                                                                                              \
    HOOK(__tsan_unaligned_write##bytes, void *at) {                                                \
        access_range(at, bytes, true);                                                             \
    }                                                                                              \
    HOOK(__tsan_read_write##bytes, void *at) {                                                     \
        access_range(at, bytes, true);                                                             \
    }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
HOOK(__tsan_read_range, void *at, size_t bytes) {
    access_range(at, bytes, false);
}
HOOK(__tsan_write_range, void *at, size_t bytes) {
    access_range(at, bytes, true);
}
HOOK(__tsan_func_entry, void *caller) {
    (void)caller;
}
HOOK(__tsan_func_exit, void) {
}
HOOK(__tsan_init, void) {
}
