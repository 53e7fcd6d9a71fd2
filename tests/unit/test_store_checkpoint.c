/* Checkpoints: when, and never long in anybody's way. */

#include "checkpoint_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

/* ---- when ------------------------------------------------------------------------------------ */

static void a_short_log_is_left_alone(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, BULK_ROWS - 50);
    int64_t frames = checkpoint_frames();
    assert_in_range(frames, BULK_ROWS - 50, BULK_ROWS - 1);
    run_at(NOW);
    assert_int_equal(checkpoint_frames(), frames);
    world_end(world);
}

static void a_long_log_is_emptied(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, BULK_ROWS);
    assert_in_range(checkpoint_frames(), BULK_ROWS, 999);
    uint64_t before = file_sum(world);
    run_at(NOW);
    assert_int_equal(checkpoint_frames(), 0);
    assert_true(file_sum(world) != before);
    assert_rows(world, BULK_ROWS);
    world_end(world);
}

/* New blocks would have to be found for it, and recorded at the next sync. */
static void its_file_is_written_over(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, BULK_ROWS);
    int64_t bytes = log_bytes();
    run_at(NOW);
    assert_int_equal(log_bytes(), bytes);
    commit_frames(world, 1);
    assert_in_range(checkpoint_frames(), 1, 20);
    assert_int_equal(log_bytes(), bytes);
    assert_rows(world, BULK_ROWS + 1);
    world_end(world);
}

/* How many of the first pages of the log's file the kernel has in memory. */
static int log_pages_in_memory(int pages) {
    unsigned char there[256];
    int count = 0, fd = open(checkpoint.wal_path, O_RDONLY | O_CLOEXEC);
    size_t bytes = (size_t)pages * 4096;
    assert_true(fd >= 0);
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mincore(map, bytes, there), 0);
    for (int i = 0; i < pages; i++)
        count += there[i] & 1;
    munmap(map, bytes);
    close(fd);
    return count;
}

static void log_forget(void) {
    int fd = open(checkpoint.wal_path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

static void what_will_be_written_over_is_read_beforehand(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, BULK_ROWS);
    run_at(NOW);
    log_forget();
    bool forgets = log_pages_in_memory(101) == 0; /* a file system in memory doesn't */
    checkpoint_warm_log(&checkpoint, 100);
    assert_int_equal(log_pages_in_memory(101), 101);
    uint64_t before = log_sum();
    int64_t bytes = log_bytes();
    checkpoint_warm_log(&checkpoint, 100000); /* there is no more of it */
    assert_int_equal(log_bytes(), bytes);
    assert_true(log_sum() == before);
    commit_frames(world, 100);
    assert_rows(world, BULK_ROWS + 100);
    world_end(world);
    if (!forgets)
        skip();
}

static void a_large_file_is_cut_off_though_it_is_empty(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, 2 * BULK_ROWS);
    sql(world->people, "PRAGMA wal_checkpoint"); /* as a producer does by itself */
    assert_int_equal(checkpoint_frames(), 0);
    assert_true(log_bytes() > 0);
    run_at(NOW);
    assert_int_equal(log_bytes(), 0);
    assert_rows(world, 2 * BULK_ROWS);
    world_end(world);
}

static void what_may_not_be_read_any_longer_is_cut_off(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, 3);
    run_at(NOW);
    assert_true(log_bytes() > 0);
    checkpoint_force(&checkpoint);
    run_at(NOW);
    assert_int_equal(log_bytes(), 0);
    commit_frames(world, 3);
    run_at(NOW + 5000); /* once */
    assert_true(log_bytes() > 0);
    world_end(world);
}

/* A log beyond 1000 frames is being checkpointed by the producer that made it so. */
static void a_bulk_commit_is_given_time(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, 2 * BULK_ROWS);
    int64_t frames = checkpoint_frames();
    assert_true(frames >= 1000);
    run_at(NOW);
    assert_int_equal(checkpoint_frames(), frames);
    run_at(NOW + 499);
    assert_int_equal(checkpoint_frames(), frames);
    run_at(NOW + 500);
    assert_int_equal(checkpoint_frames(), 0);
    assert_int_equal(log_bytes(), 0);
    assert_rows(world, 2 * BULK_ROWS);
    world_end(world);
}

static void the_last_act_empties_whatever_there_is(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    commit_frames(world, 3);
    assert_true(checkpoint_frames() > 0);
    checkpoint_finish(&checkpoint);
    assert_int_equal(log_bytes(), 0);
    world_end(world);
}

/* ---- readers --------------------------------------------------------------------------------- */

static void a_reader_delays_it_for_a_moment_only(void **state) {
    (void)state;
    struct world *world = world_with_checkpoint();
    sqlite3 *reader;
    commit_frames(world, 1);
    assert_int_equal(sqlite3_open_v2(world->path, &reader, SQLITE_OPEN_READWRITE, NULL), 0);
    sql(reader, "BEGIN; SELECT count(*) FROM webhooks");
    commit_frames(world, BULK_ROWS);
    int64_t started_us = clock_mono_us();
    run_at(NOW);
    int64_t took_us = clock_mono_us() - started_us;
    assert_true(checkpoint_frames() > 0);
    assert_in_range(took_us, 15000, 1500000); /* 20 ms are meant; the machine may be busy */
    assert_int_equal(number(reader, "SELECT count(*) FROM webhooks"), 1); /* its snapshot stands */
    commit_frames(world, 1); /* and nobody is locked out */

    sql(reader, "COMMIT");
    run_at(NOW + 1000);
    run_at(NOW + 2000);
    assert_int_equal(checkpoint_frames(), 0);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_rows(world, BULK_ROWS + 2);
    world_end(world);
}

struct holder {
    struct world *world;
    sem_t held, let_go;
};

static void *hold_lock(void *context) {
    struct holder *holder = context;
    sql(holder->world->people, "BEGIN IMMEDIATE");
    sem_post(&holder->held);
    while (sem_wait(&holder->let_go))
        ;
    usleep(30000); /* by now the other thread waits for the lock, or is about to: both must do */
    sql(holder->world->people, "COMMIT");
    return NULL;
}

static void a_writer_is_waited_for(void **state) {
    (void)state;
    struct holder holder = {.world = world_with_checkpoint()};
    pthread_t thread;
    commit_frames(holder.world, BULK_ROWS);
    sem_init(&holder.held, 0, 0);
    sem_init(&holder.let_go, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, hold_lock, &holder), 0);
    while (sem_wait(&holder.held))
        ;
    sem_post(&holder.let_go);
    run_at(NOW); /* waits up to 0.1 s for the write lock */
    assert_int_equal(checkpoint_frames(), 0);
    assert_int_equal(checkpoint_due_at(&checkpoint), CLOCK_NEVER); /* nothing was left to do */
    pthread_join(thread, NULL);
    sem_destroy(&holder.held);
    sem_destroy(&holder.let_go);
    world_end(holder.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_log_is_left_alone),
        cmocka_unit_test(a_long_log_is_emptied),
        cmocka_unit_test(its_file_is_written_over),
        cmocka_unit_test(what_will_be_written_over_is_read_beforehand),
        cmocka_unit_test(a_large_file_is_cut_off_though_it_is_empty),
        cmocka_unit_test(what_may_not_be_read_any_longer_is_cut_off),
        cmocka_unit_test(a_bulk_commit_is_given_time),
        cmocka_unit_test(the_last_act_empties_whatever_there_is),
        cmocka_unit_test(a_reader_delays_it_for_a_moment_only),
        cmocka_unit_test(a_writer_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
