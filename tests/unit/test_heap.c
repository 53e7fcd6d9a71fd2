/* The heap: its order, taking members out of anywhere, and a model it is held against. */

#include "outhook/base/heap.h"

#include "outhook/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS = 200, STEPS = 20000, KEYS = 20 };

static struct heap_node *heap_take(struct heap *heap) {
    struct heap_node *first = heap_first(heap);
    heap_remove(heap, first);
    return first;
}

static void empty(void **state) {
    (void)state;
    struct heap heap = {0};
    struct heap_node stranger = {0};
    assert_null(heap_first(&heap));
    heap_remove(&heap, &stranger);
    assert_int_equal(heap.count, 0);
    heap_free(&heap);
}

static void smallest_first(void **state) {
    (void)state;
    static const int64_t keys[] = {5, -3, 9, 0, INT64_MAX, 7, INT64_MIN, 2, 8, 1};
    static const int64_t sorted[] = {INT64_MIN, -3, 0, 1, 2, 5, 7, 8, 9, INT64_MAX};
    struct heap heap = {0};
    struct heap_node nodes[10] = {0};
    for (int i = 0; i < 10; i++)
        heap_push(&heap, &nodes[i], keys[i], i);
    assert_int_equal(heap.count, 10);
    for (int i = 0; i < 10; i++) {
        struct heap_node *node = heap_take(&heap);
        assert_true(node->key == sorted[i]);
        assert_int_equal(node->place, 0);
    }
    assert_null(heap_first(&heap));
    heap_free(&heap);
}

/* More than the first capacity, so that the array grows as well. */
static void equal_keys_come_by_their_tie(void **state) {
    (void)state;
    struct heap heap = {0};
    struct heap_node nodes[MEMBERS] = {0};
    for (int i = 0; i < MEMBERS; i++)
        heap_push(&heap, &nodes[i], 7, (i * 37) % MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(heap_take(&heap)->tie, i);
    heap_free(&heap);
}

static void remove_last_middle_and_first(void **state) {
    (void)state;
    struct heap heap = {0};
    struct heap_node nodes[6] = {0};
    for (int i = 0; i < 6; i++)
        heap_push(&heap, &nodes[i], i, i);
    heap_remove(&heap, &nodes[5]); /* the last in the array */
    heap_remove(&heap, &nodes[2]);
    heap_remove(&heap, &nodes[2]); /* in no heap any more */
    heap_remove(&heap, &nodes[0]);
    static const int left[] = {1, 3, 4};
    assert_int_equal(heap.count, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(heap_take(&heap), &nodes[left[i]]);
    heap_free(&heap);
}

/* The last member, 13, comes from another branch than the hole of 101, and belongs above 101's
 * parent 100. */
static void the_hole_may_be_filled_from_below_to_above(void **state) {
    (void)state;
    static const int64_t keys[] = {0, 100, 10, 20, 30, 101, 102, 103, 104, 11, 12, 13};
    struct heap heap = {0};
    struct heap_node nodes[12] = {0};
    for (int i = 0; i < 12; i++)
        heap_push(&heap, &nodes[i], keys[i], i);
    heap_remove(&heap, &nodes[5]);
    assert_int_equal(nodes[11].place, 2); /* where 100 stood */
    int64_t before = INT64_MIN;
    while (heap_first(&heap)) {
        int64_t key = heap_take(&heap)->key;
        assert_true(key > before);
        before = key;
    }
    heap_free(&heap);
}

static void assert_heap_sound(const struct heap *heap) {
    for (size_t i = 0; i < heap->count; i++)
        assert_int_equal(heap->nodes[i]->place, i + 1);
}

static const struct heap_node *model_first(const struct heap_node *nodes, const bool *inside) {
    const struct heap_node *first = NULL;
    for (size_t i = 0; i < MEMBERS; i++)
        if (inside[i] && (!first || nodes[i].key < first->key ||
                          (nodes[i].key == first->key && nodes[i].tie < first->tie)))
            first = &nodes[i];
    return first;
}

static void like_a_model(void **state) {
    (void)state;
    struct random random = {.state = 1};
    struct heap heap = {0};
    struct heap_node nodes[MEMBERS] = {0};
    bool inside[MEMBERS] = {false};
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)random_below(&random, MEMBERS);
        if (inside[i])
            heap_remove(&heap, &nodes[i]);
        else
            heap_push(&heap, &nodes[i], random_below(&random, KEYS), (int64_t)i);
        inside[i] = !inside[i];
        count += inside[i] ? 1 : (size_t)-1;
        assert_int_equal(heap.count, count);
        assert_ptr_equal(heap_first(&heap), model_first(nodes, inside));
        assert_heap_sound(&heap);
    }
    heap_free(&heap);
    assert_null(heap.nodes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(smallest_first),
        cmocka_unit_test(equal_keys_come_by_their_tie),
        cmocka_unit_test(remove_last_middle_and_first),
        cmocka_unit_test(the_hole_may_be_filled_from_below_to_above),
        cmocka_unit_test(like_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
