#ifndef OUTHOOK_BASE_LIST_H
#define OUTHOOK_BASE_LIST_H

/*
 * A doubly linked list that lives inside its members: a `struct list` is the head of a list, or the
 * link of one member. A link that is in no list points at itself. No locks, no allocation, all O(1).
 */

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list) {
    list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list) {
    return list->next == list;
}

/* Puts a link that is in no list at the end. */
static inline void list_push(struct list *list, struct list *link) {
    link->next = list;
    link->previous = list->previous;
    list->previous->next = link;
    list->previous = link;
}

/* Puts a link that is in no list at the front. */
static inline void list_push_front(struct list *list, struct list *link) {
    list_push(list->next, link);
}

/* Takes a link out of whatever list it is in; harmless when it is in none. */
static inline void list_remove(struct list *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* The first link, or NULL. */
static inline struct list *list_first(const struct list *list) {
    return list_empty(list) ? NULL : list->next;
}

/* Takes the first link out and returns it, or NULL. */
static inline struct list *list_pop(struct list *list) {
    struct list *link = list_first(list);
    if (link)
        list_remove(link);
    return link;
}

/* `body` may take the current link out of the list. */
#define list_for_each_safe(link, head)                                                             \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);              \
         link = link##_next, link##_next = link->next)

#endif
