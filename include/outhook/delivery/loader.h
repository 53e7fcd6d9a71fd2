#ifndef OUTHOOK_DELIVERY_LOADER_H
#define OUTHOOK_DELIVERY_LOADER_H

/*
 * Keeps what is read from disk within its bounds: how many rows and payload bytes are in memory or
 * asked for, how many loads are under way, and which lanes wait for room, in the order of asking.
 *
 * Payload bytes have two halves, one for payloads of usual size and one for large ones, so that
 * large ones that hang with their calls keep no small one waiting. One thread: the scheduler's.
 */

#include "outhook/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct delivery;
struct lane;

enum { LOADER_LOADS_MAX = 64 }; /* loads under way at once */

struct loader_policy {
    int max_rows;
    int64_t max_bytes;
};

struct loader {
    struct list usual, large; /* lanes whose load waits for room; large: with need_bytes */
    int n_loads;              /* asked for and not answered */
    int n_rows;               /* rows in memory, and rows asked for */
    int64_t bytes;            /* payload bytes in memory, and bytes allowed to loads under way */
    int64_t bytes_large;      /* the part of it that is payloads larger than usual */
};

void loader_init(struct loader *loader);

/* Puts a lane without a load behind those that wait for one. */
void loader_queue(struct loader *loader, struct lane *lane);

/* Room for so many rows with so many bytes that nobody has asked for. */
bool loader_may_take(const struct loader *loader, const struct loader_policy *policy, int rows,
                     int64_t bytes);

/* The first lane whose load has to wait no longer, or NULL. Lanes with large payloads wait in a
 * line of their own. The first of a line that finds no room keeps those behind it waiting, so that
 * it gets its turn. */
struct lane *loader_next(const struct loader *loader, const struct loader_policy *policy);

/* Whether a load of this lane finds room. */
bool loader_has_room(const struct loader *loader, const struct loader_policy *policy,
                     const struct lane *lane);

/* Counts a load of up to `rows` rows as asked for: lane->load_rows and load_bytes say what is to be
 * asked. After loader_has_room(). */
void loader_ask(struct loader *loader, const struct loader_policy *policy, struct lane *lane,
                int rows);

/* The load was answered: what was asked for counts no longer, and what came counts by
 * loader_take(). */
void loader_answered(struct loader *loader, const struct loader_policy *policy, struct lane *lane);

/* A loaded row is in memory now. */
void loader_take(struct loader *loader, const struct loader_policy *policy,
                 const struct delivery *delivery);

/* A row's payload leaves memory; its struct may stay. */
void loader_drop_payload(struct loader *loader, const struct loader_policy *policy,
                         const struct delivery *delivery);

/* A row leaves memory, after its payload. */
void loader_drop_row(struct loader *loader);

/* Whether rows in memory are scarce, so that no lane should keep those that it can't use soon. */
bool loader_is_crowded(const struct loader *loader, const struct loader_policy *policy);

#endif
