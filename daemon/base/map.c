#include "outhook/base/map.h"

#include "outhook/base/memory.h"

#include <stdlib.h>

static size_t map_hash(const struct map *map, int64_t id) {
    uint64_t x = (uint64_t)id * 0x9e3779b97f4a7c15u;
    return (size_t)(x ^ (x >> 32)) & (map->capacity - 1);
}

/* The slot of an id, or the empty slot where it would go. */
static struct map_slot *map_slot(const struct map *map, int64_t id) {
    size_t i = map_hash(map, id);
    while (map->slots[i].value && map->slots[i].id != id)
        i = (i + 1) & (map->capacity - 1);
    return &map->slots[i];
}

static void map_grow(struct map *map) {
    struct map old = *map;
    map->capacity = old.capacity ? old.capacity * 2 : 64;
    map->slots = memory_new(map->capacity, sizeof(struct map_slot));
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value)
            *map_slot(map, old.slots[i].id) = old.slots[i];
    free(old.slots);
}

void map_free(struct map *map) {
    free(map->slots);
    *map = (struct map){0};
}

void *map_get(const struct map *map, int64_t id) {
    return map->count ? map_slot(map, id)->value : NULL;
}

void map_put(struct map *map, int64_t id, void *value) {
    if (map->count >= map->capacity / 4 * 3)
        map_grow(map);
    struct map_slot *slot = map_slot(map, id);
    if (!slot->value)
        map->count++;
    *slot = (struct map_slot){id, value};
}

void *map_remove(struct map *map, int64_t id) {
    if (!map->count)
        return NULL;
    struct map_slot *slot = map_slot(map, id);
    void *value = slot->value;
    if (!value)
        return NULL;
    map->count--;

    /* Close the gap: whatever follows and could have stood here moves up. */
    size_t mask = map->capacity - 1, gap = (size_t)(slot - map->slots);
    for (size_t i = (gap + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t home = map_hash(map, map->slots[i].id);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->slots[gap] = map->slots[i];
            gap = i;
        }
    }
    map->slots[gap] = (struct map_slot){0};
    return value;
}

void *map_next_id(const struct map *map, size_t *cursor, int64_t *id) {
    while (*cursor < map->capacity) {
        const struct map_slot *slot = &map->slots[(*cursor)++];
        *id = slot->id;
        if (slot->value)
            return slot->value;
    }
    return NULL;
}

void *map_next(const struct map *map, size_t *cursor) {
    int64_t ignored;
    return map_next_id(map, cursor, &ignored);
}
