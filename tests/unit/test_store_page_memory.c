/* The memory of SQLite's page cache: what is in the piece, and what stays on the heap. */

#include "outhook/store/page_memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PIECE_BYTES = 3 << 20,
    LARGE_BYTES = 2 << 20,
    PAGE_BYTES = 4096,
    THREADS = 4,
    ROUNDS = 2000
};

static int slot_bytes;
static char *piece;

static bool in_piece(const char *memory) {
    return memory >= piece && memory < piece + PIECE_BYTES;
}

static int set_up(void **state) {
    int beside = 0;
    (void)state;
    if (sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &beside))
        return -1;
    slot_bytes = PAGE_BYTES + beside;
    page_memory_set_up(PIECE_BYTES);
    if (sqlite3_initialize())
        return -1;
    piece = sqlite3_malloc(slot_bytes);
    sqlite3_free(piece);
    return 0;
}

static void as_many_pages_as_find_room(void **state) {
    (void)state;
    assert_int_equal(page_memory_pages(PIECE_BYTES), PIECE_BYTES / slot_bytes);
    assert_int_equal(page_memory_pages(slot_bytes), 1);
    assert_int_equal(page_memory_pages(slot_bytes - 1), 0);
}

/* One beside the other, from where a large page begins; what was given back comes again first. */
static void pages_lie_side_by_side(void **state) {
    (void)state;
    char *first = sqlite3_malloc(slot_bytes), *second = sqlite3_malloc(slot_bytes);
    assert_ptr_equal(first, piece);
    assert_int_equal((uintptr_t)piece % LARGE_BYTES, 0);
    assert_ptr_equal(second, first + slot_bytes);
    assert_int_equal(sqlite3_msize(first), slot_bytes);
    memset(first, 1, (size_t)slot_bytes);
    memset(second, 2, (size_t)slot_bytes);
    assert_int_equal(first[slot_bytes - 1], 1);
    sqlite3_free(first);
    assert_ptr_equal(sqlite3_malloc(PAGE_BYTES + 1), first);
    sqlite3_free(second);
    sqlite3_free(first);
}

static void what_is_no_page_is_on_the_heap(void **state) {
    (void)state;
    static const int others[] = {1, 100, PAGE_BYTES, 10000};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *other = sqlite3_malloc(others[i]);
        assert_false(in_piece(other));
        other = sqlite3_realloc(other, others[i] + 1);
        assert_true(sqlite3_msize(other) >= (sqlite3_uint64)others[i] + 1);
        sqlite3_free(other);
    }
}

static void a_page_can_grow(void **state) {
    (void)state;
    char *page = sqlite3_malloc(slot_bytes);
    memset(page, 7, (size_t)slot_bytes);
    assert_ptr_equal(sqlite3_realloc(page, slot_bytes - 10), page);
    char *longer = sqlite3_realloc(page, 3 * slot_bytes);
    assert_ptr_not_equal(longer, page);
    for (int i = 0; i < slot_bytes; i++)
        assert_int_equal(longer[i], 7);
    assert_ptr_equal(sqlite3_malloc(slot_bytes), page); /* it was given back */
    sqlite3_free(page);
    sqlite3_free(longer);
}

static void when_all_is_used_there_is_the_heap(void **state) {
    (void)state;
    enum { MORE = PIECE_BYTES / PAGE_BYTES + 10 };
    char *taken[MORE];
    int inside = 0;
    for (int i = 0; i < MORE; i++) {
        taken[i] = sqlite3_malloc(slot_bytes);
        memset(taken[i], i, (size_t)slot_bytes);
        inside += in_piece(taken[i]);
    }
    assert_int_equal(inside, page_memory_pages(PIECE_BYTES));
    for (int i = 0; i < MORE; i++) {
        assert_int_equal((unsigned char)taken[i][slot_bytes - 1], (unsigned char)i);
        sqlite3_free(taken[i]);
    }
}

static void *take_and_give_back(void *context) {
    for (int i = 0; i < ROUNDS; i++) {
        char *page = sqlite3_malloc(slot_bytes);
        memset(page, *(char *)context, (size_t)slot_bytes);
        if (page[0] != *(char *)context || page[slot_bytes - 1] != *(char *)context)
            abort();
        sqlite3_free(page);
    }
    return NULL;
}

static void threads_get_pages_of_their_own(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    char names[THREADS] = "abcd";
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, &names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* That a page cache finds what it asks for: it would go to the heap unnoticed. */
static void sqlites_pages_are_in_it(void **state) {
    (void)state;
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(":memory:", &handle), 0);
    assert_int_equal(sqlite3_exec(handle, "CREATE TABLE t (x); BEGIN", NULL, NULL, NULL), 0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(
            sqlite3_exec(handle, "INSERT INTO t VALUES (randomblob(1500))", NULL, NULL, NULL), 0);
    char *page = sqlite3_malloc(slot_bytes); /* after about 1500 others, more than find room */
    assert_false(in_piece(page));
    sqlite3_free(page);
    sqlite3_close(handle);
    page = sqlite3_malloc(slot_bytes);
    assert_true(in_piece(page));
    sqlite3_free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_pages_as_find_room),
        cmocka_unit_test(pages_lie_side_by_side),
        cmocka_unit_test(what_is_no_page_is_on_the_heap),
        cmocka_unit_test(a_page_can_grow),
        cmocka_unit_test(when_all_is_used_there_is_the_heap),
        cmocka_unit_test(threads_get_pages_of_their_own),
        cmocka_unit_test(sqlites_pages_are_in_it),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
