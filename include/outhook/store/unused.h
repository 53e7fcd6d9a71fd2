#ifndef OUTHOOK_STORE_UNUSED_H
#define OUTHOOK_STORE_UNUSED_H

/*
 * Deletes the endpoints of bare URLs to which no delivery is left, a slice at a time. An endpoint
 * that a person has given a name, a setting, a subscription or a secret, or has disabled, is kept.
 *
 * Delivered rows have no index by endpoint, which would be one more to write with each of them. So
 * a walk over all rows has marked the endpoints that have some; rows that came since are looked at
 * in the transaction that deletes. One thread: the store's.
 */

#include "outhook/base/error.h"
#include "outhook/store/sweep.h"

#include <stdbool.h>
#include <stdint.h>

struct database;
struct sqlite3_stmt;

enum { UNUSED_MAX = 50 }; /* deleted in a slice */

struct unused {
    struct database *database;
    struct sqlite3_stmt *candidates, *newer, *endpoint, *changes, *gate;
};

/* A walk over endpoints. */
struct unused_walk {
    int64_t after;          /* endpoints up to this id have been dealt with */
    int64_t last_delivery;  /* deliveries up to this id are in the marks */
    int64_t created_before; /* wall ms: younger endpoints are left alone */
    bool end;
};

int unused_open(struct unused *unused, struct database *database, struct error *error) must_check;

void unused_close(struct unused *unused);

/* Deletes the next few that are not marked; their ids go into `gone`, how many into *count. When
 * more deliveries have come since the marks were made than can be looked at quickly, the walk ends.
 * ERROR_BUSY and ERROR_FULL as with sweep_deliveries(). */
int unused_run(struct unused *unused, struct sweep_marks *marks, struct unused_walk *walk,
               int64_t gone[UNUSED_MAX], int *count, struct error *error) must_check;

#endif
