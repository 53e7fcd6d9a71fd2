#ifndef OUTHOOK_TESTS_CHECKPOINT_WORLD_H
#define OUTHOOK_TESTS_CHECKPOINT_WORLD_H

/*
 * A world whose daemon's connection checkpoints, and what can be seen of its log and its file.
 */

#include "outhook/store/checkpoint.h"

#include "outhook/base/clock.h"

#include "store_world.h"

#include <sys/stat.h>

enum { BULK_ROWS = 700, NOW = 10000 };

static struct checkpoint checkpoint;

/* Open until the world ends: closing it would drop this process's locks on the database. */
static FILE *database_file;

static inline struct world *world_with_checkpoint(void) {
    struct world *world = world_open();
    struct error error = {0};
    assert_int_equal(checkpoint_open(&checkpoint, &world->daemon, &error), 0);
    assert_int_equal(checkpoint_frames(), 0); /* of a log that is not open yet */
    checkpoint_finish(&checkpoint);           /* what the migrations have left */
    number(world->daemon.handle, "SELECT count(*) FROM endpoints"); /* opens it */
    assert_int_equal(checkpoint_frames(), 0);
    sql(world->people, "PRAGMA wal_autocheckpoint = 0");
    add_endpoint(world, "billing");
    return world;
}

static inline void world_end(struct world *world) {
    checkpoint_close(&checkpoint);
    world_free(world);
    if (database_file)
        fclose(database_file);
    database_file = NULL;
}

/* Commits about as many frames as there are rows. */
static inline void commit_frames(struct world *world, int rows) {
    sql(world->people,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
        " INSERT INTO webhooks (endpoint, payload)"
        " SELECT 'billing', randomblob(3000) FROM n",
        rows);
}

static inline void run_at(int64_t now_ms) {
    struct error error = {0};
    if (checkpoint_run(&checkpoint, now_ms, &error))
        fail_msg("%s", error.text);
}

/* Everything that a file holds, in a number. */
static inline uint64_t sum_of(FILE *file) {
    uint64_t sum = 0xcbf29ce484222325u;
    unsigned char bytes[65536];
    size_t length;
    assert_non_null(file);
    rewind(file);
    fflush(file);
    while ((length = fread(bytes, 1, sizeof bytes, file)))
        for (size_t i = 0; i < length; i++)
            sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}

static inline uint64_t file_sum(const struct world *world) {
    if (!database_file)
        database_file = fopen(world->path, "re");
    return sum_of(database_file);
}

static inline uint64_t log_sum(void) {
    FILE *file = fopen(checkpoint.wal_path, "re");
    uint64_t sum = sum_of(file);
    fclose(file);
    return sum;
}

static inline int64_t log_bytes(void) {
    struct stat status;
    assert_int_equal(stat(checkpoint.wal_path, &status), 0);
    return status.st_size;
}

static inline void assert_rows(struct world *world, int rows) {
    assert_int_equal(number(world->people, "SELECT count(*) FROM webhooks"), rows);
    assert_text(world->people, "PRAGMA integrity_check", "ok");
}

#endif
