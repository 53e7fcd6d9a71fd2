#ifndef OUTHOOK_BASE_HEAP_H
#define OUTHOOK_BASE_HEAP_H

/*
 * A 4-ary min-heap that lives beside its members: each member embeds a `struct heap_node`, which knows
 * its own place, so that any member can be taken out or moved in O(log n). The order is total (key,
 * then tie), so members with equal keys come out in a fixed order. No locks; one thread.
 */

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;   /* smallest first */
    int64_t tie;   /* unique among the members of a heap, such as an id */
    size_t place;  /* 1 + index in the heap's array; 0 while in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t count, capacity;
};

/* A heap starts as {0}. Frees the heap's own array; the members are the caller's. */
void heap_free(struct heap *heap);

/* Puts in a node that is in no heap. */
void heap_push(struct heap *heap, struct heap_node *node, int64_t key, int64_t tie);

/* Takes out a node; harmless when it is in no heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* The node with the smallest key, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap) {
    return heap->count ? heap->nodes[0] : NULL;
}

#endif
