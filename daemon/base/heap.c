#include "outhook/base/heap.h"

#include "outhook/base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

enum { HEAP_ARITY = 4 };

static bool node_before(const struct heap_node *a, const struct heap_node *b) {
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void heap_place(struct heap *heap, size_t index, struct heap_node *node) {
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void heap_sift_up(struct heap *heap, size_t index, struct heap_node *node) {
    while (index > 0) {
        size_t parent = (index - 1) / HEAP_ARITY;
        if (!node_before(node, heap->nodes[parent]))
            break;
        heap_place(heap, index, heap->nodes[parent]);
        index = parent;
    }
    heap_place(heap, index, node);
}

static size_t heap_least_child(const struct heap *heap, size_t index) {
    size_t first = index * HEAP_ARITY + 1, least = first;
    for (size_t child = first + 1; child < first + HEAP_ARITY && child < heap->count; child++)
        if (node_before(heap->nodes[child], heap->nodes[least]))
            least = child;
    return least;
}

static void heap_sift_down(struct heap *heap, size_t index, struct heap_node *node) {
    while (index * HEAP_ARITY + 1 < heap->count) {
        size_t child = heap_least_child(heap, index);
        if (!node_before(heap->nodes[child], node))
            break;
        heap_place(heap, index, heap->nodes[child]);
        index = child;
    }
    heap_place(heap, index, node);
}

void heap_free(struct heap *heap) {
    free(heap->nodes);
    *heap = (struct heap){0};
}

void heap_push(struct heap *heap, struct heap_node *node, int64_t key, int64_t tie) {
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? heap->capacity * 2 : 64;
        heap->nodes = memory_resize(heap->nodes, heap->capacity, sizeof(struct heap_node *));
    }
    node->key = key;
    node->tie = tie;
    heap_sift_up(heap, heap->count++, node);
}

void heap_remove(struct heap *heap, struct heap_node *node) {
    if (!node->place)
        return;

    size_t index = node->place - 1;
    node->place = 0;
    struct heap_node *last = heap->nodes[--heap->count];
    if (last == node)
        return;

    /* The last one fills the hole, and may belong above or below it. */
    if (index > 0 && node_before(last, heap->nodes[(index - 1) / HEAP_ARITY]))
        heap_sift_up(heap, index, last);
    else
        heap_sift_down(heap, index, last);
}
