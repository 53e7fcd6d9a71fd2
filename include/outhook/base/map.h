#ifndef OUTHOOK_BASE_MAP_H
#define OUTHOOK_BASE_MAP_H

/*
 * A hash map from a 64-bit id to a pointer. Open addressing, linear probing, grown at three quarters
 * full. No locks; one thread.
 */

#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot {
        int64_t id;
        void *value; /* NULL: empty */
    } * slots;
    size_t count, capacity;
};

/* A map starts as {0}. Frees the map's own array; the values are the caller's. */
void map_free(struct map *map);

/* The value of an id, or NULL. */
void *map_get(const struct map *map, int64_t id);

/* Sets the value (not NULL) of an id, replacing what was there. */
void map_put(struct map *map, int64_t id, void *value);

/* Takes an id out and returns its value, or NULL when it was not there. */
void *map_remove(struct map *map, int64_t id);

/* Walks a map in no order: start with *cursor 0; NULL at the end. Nothing may be put in or taken out
 * meanwhile. */
void *map_next(const struct map *map, size_t *cursor);

/* The same, and *id becomes the value's id. */
void *map_next_id(const struct map *map, size_t *cursor, int64_t *id);

#endif
