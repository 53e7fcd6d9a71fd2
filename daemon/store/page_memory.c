#include "outhook/store/page_memory.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE_BYTES = 4096,
    LARGE_BYTES = 2 << 20, /* a large page of the machine's: of x86-64, and usually of arm64 */
};

/* A slot that is free points to the next one. */
struct slot {
    struct slot *next;
};

static struct page_memory {
    pthread_mutex_t lock;
    int slot_bytes;             /* a page with what SQLite keeps beside it */
    char *begin, *unused, *end; /* those beyond `unused` have never been used */
    struct slot *free;
    sqlite3_mem_methods heap; /* for all else */
} pages = {.lock = PTHREAD_MUTEX_INITIALIZER, .slot_bytes = PAGE_BYTES};

int64_t page_memory_pages(int64_t bytes) {
    return bytes / pages.slot_bytes;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static bool page_memory_has(const void *memory) {
    return (const char *)memory >= pages.begin && (const char *)memory < pages.end;
}

/* NULL: all are in use. */
static void *page_memory_take(void) {
    pthread_mutex_lock(&pages.lock);
    struct slot *slot = pages.free;
    if (slot) {
        pages.free = slot->next;
    } else if (pages.end - pages.unused >= pages.slot_bytes) {
        slot = (struct slot *)(void *)pages.unused;
        pages.unused += pages.slot_bytes;
    }
    pthread_mutex_unlock(&pages.lock);
    return slot;
}

static void page_memory_give_back(void *memory) {
    struct slot *slot = memory;
    pthread_mutex_lock(&pages.lock);
    slot->next = pages.free;
    pages.free = slot;
    pthread_mutex_unlock(&pages.lock);
}

/* ---- SQLite's allocator ---------------------------------------------------------------------- */

static void *pages_malloc(int bytes) {
    bool is_page = bytes > PAGE_BYTES && bytes <= pages.slot_bytes;
    void *memory = is_page ? page_memory_take() : NULL;
    return memory ? memory : pages.heap.xMalloc(bytes);
}

static void pages_free(void *memory) {
    if (page_memory_has(memory))
        page_memory_give_back(memory);
    else
        pages.heap.xFree(memory);
}

static int pages_size(void *memory) {
    return page_memory_has(memory) ? pages.slot_bytes : pages.heap.xSize(memory);
}

static void *pages_realloc(void *memory, int bytes) {
    if (!page_memory_has(memory))
        return pages.heap.xRealloc(memory, bytes);
    if (bytes <= pages.slot_bytes)
        return memory;
    void *longer = pages.heap.xMalloc(bytes);
    if (longer) {
        memcpy(longer, memory, (size_t)pages.slot_bytes);
        page_memory_give_back(memory);
    }
    return longer;
}

/* ---- setting it up --------------------------------------------------------------------------- */

/* Begins where a large page does; what is less than one of them stays in small ones. */
static bool page_memory_reserve(size_t bytes) {
    char *all = mmap(NULL, bytes + LARGE_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return false;
    size_t before = -(uintptr_t)all % LARGE_BYTES;
    pages.begin = pages.unused = all + before;
    pages.end = pages.begin + bytes;
    if (before)
        munmap(all, before);
    munmap(pages.end, LARGE_BYTES - before);
    madvise(pages.begin, bytes / LARGE_BYTES * LARGE_BYTES, MADV_HUGEPAGE);
    return true;
}

/* SQLite says how long a page is only before it is used. */
static void page_memory_measure(void) {
    int beside = 0;
    sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &beside);
    pages.slot_bytes = PAGE_BYTES + (beside + 7) / 8 * 8;
}

void page_memory_set_up(int64_t bytes) {
    page_memory_measure();
    if (!bytes || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &pages.heap) ||
        !page_memory_reserve((size_t)(bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES))
        return;
    sqlite3_mem_methods methods = pages.heap;
    methods.xMalloc = pages_malloc;
    methods.xFree = pages_free;
    methods.xSize = pages_size;
    methods.xRealloc = pages_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
