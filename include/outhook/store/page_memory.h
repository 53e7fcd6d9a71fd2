#ifndef OUTHOOK_STORE_PAGE_MEMORY_H
#define OUTHOOK_STORE_PAGE_MEMORY_H

/*
 * The memory of SQLite's page cache: in one piece, which grows as it is used, and in the machine's
 * large pages (madvise(2), MADV_HUGEPAGE) where the kernel gives some.
 *
 * On the heap two thousand cached pages lie in as many places of the machine's memory. A virtual
 * machine whose host is short of memory loses places that have rested for a tenth of a second, and
 * waits 0.2 ms for each when it comes back to it: that made the write lock last twice as long. And
 * a cached page is somewhat longer than 4 kB, of which an allocator makes 5.
 *
 * SQLite knows such a piece itself (SQLITE_CONFIG_PAGECACHE), but writes into all of it at the
 * start, however small the database is.
 */

#include <stdint.h>

/* Keeps so many bytes of address space for it; 0: none, so that pages come from the heap, as they
 * do where it can't be had or is used up. Once in a process, before SQLite is used for the first
 * time. */
void page_memory_set_up(int64_t bytes);

/* How many pages find room in so many bytes. */
int64_t page_memory_pages(int64_t bytes);

#endif
