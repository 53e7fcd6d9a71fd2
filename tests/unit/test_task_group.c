/* The task group: when it runs, whose error it ends with, and the order in which it stops. */

#include "outhook/runtime/task_group.h"

#include "outhook/base/memory.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PARTS = 3, GIVE_UP_S = 60 };

/* Longer than the address space, so that no thread can have it. */
static const size_t impossible_stack = (size_t)1 << 50;

/* A task that does what the test says, step by step. */
struct part {
    const char *name;
    struct world *world;
    sem_t go;   /* the test: "report", and later "end" */
    sem_t told; /* the task: "I have reported" */
    bool fails; /* reports a failure instead of being ready */
    atomic_bool stopped;
    int ended_when; /* how many had ended before it */
};

struct world {
    struct task_group *group;
    struct part parts[PARTS];
    sem_t changed;
    atomic_int changes;
    atomic_int ended;
    const char *stops[PARTS]; /* names, in the order in which they were asked */
    int stop_count;
};

static void world_changed(void *context) {
    struct world *world = context;
    atomic_fetch_add(&world->changes, 1);
    sem_post(&world->changed);
}

static void part_run(struct task *task, void *context) {
    struct part *part = context;
    while (sem_wait(&part->go))
        ;
    if (!atomic_load(&part->stopped)) {
        struct error error = {0};
        error_set(&error, ERROR_FAILED, "%s broke", part->name);
        if (part->fails)
            task_fail(task, &error);
        else
            task_ready(task);
        sem_post(&part->told);
        while (!part->fails && sem_wait(&part->go))
            ;
    }
    part->ended_when = atomic_fetch_add(&part->world->ended, 1);
}

static void part_stop(void *context) {
    struct part *part = context;
    struct world *world = part->world;
    /* Reverse order: whoever was asked before has ended by now. */
    assert_int_equal(atomic_load(&world->ended) >= world->stop_count, 1);
    world->stops[world->stop_count++] = part->name;
    atomic_store(&part->stopped, true);
    sem_post(&part->go);
    sem_post(&part->go);
}

static struct world *world_new(void) {
    static const char *const names[PARTS] = {"first", "second", "third"};
    struct world *world = new (struct world);
    sem_init(&world->changed, 0, 0);
    world->group = task_group_new(world_changed, world);
    for (int i = 0; i < PARTS; i++) {
        struct part *part = &world->parts[i];
        *part = (struct part){.name = names[i], .world = world};
        sem_init(&part->go, 0, 0);
        sem_init(&part->told, 0, 0);
        task_group_add(world->group,
                       &(struct task_definition){names[i], part_run, part_stop, part});
    }
    return world;
}

static void world_start(struct world *world) {
    struct error error = {0};
    assert_int_equal(task_group_start(world->group, &error), 0);
}

static void world_free(struct world *world) {
    task_group_stop(world->group);
    task_group_free(world->group);
    for (int i = 0; i < PARTS; i++) {
        sem_destroy(&world->parts[i].go);
        sem_destroy(&world->parts[i].told);
    }
    sem_destroy(&world->changed);
    free(world);
}

/* Lets a part report, and waits until it has. */
static void let_report(struct world *world, int i, bool fails) {
    world->parts[i].fails = fails;
    sem_post(&world->parts[i].go);
    while (sem_wait(&world->parts[i].told))
        ;
}

static void assert_error(struct world *world, const char *text) {
    struct error error = {0};
    task_group_error(world->group, &error);
    assert_int_equal(error.kind, ERROR_FAILED);
    assert_string_equal(error.text, text);
}

static void runs_once_all_are_ready(void **state) {
    (void)state;
    struct world *world = world_new();
    assert_int_equal(task_group_state(world->group), TASK_GROUP_ADDED);
    world_start(world);
    assert_int_equal(task_group_state(world->group), TASK_GROUP_STARTING);
    let_report(world, 1, false);
    let_report(world, 0, false);
    assert_int_equal(task_group_state(world->group), TASK_GROUP_STARTING);
    assert_int_equal(atomic_load(&world->changes), 0);
    let_report(world, 2, false);
    assert_int_equal(task_group_state(world->group), TASK_GROUP_RUNNING);
    assert_int_equal(atomic_load(&world->changes), 1);
    world_free(world);
}

static void run_ready_twice(struct task *task, void *context) {
    struct world *world = context;
    task_ready(task);
    task_ready(task);
    sem_post(&world->changed);
}

static void stop_nothing(void *context) {
    (void)context;
}

/* A task counts once, however often it says so. */
static void ready_twice_is_ready_once(void **state) {
    (void)state;
    struct world *world = world_new();
    task_group_add(world->group,
                   &(struct task_definition){"eager", run_ready_twice, stop_nothing, world});
    world_start(world);
    while (sem_wait(&world->changed))
        ;
    let_report(world, 0, false);
    let_report(world, 1, false);
    assert_int_equal(task_group_state(world->group), TASK_GROUP_STARTING);
    let_report(world, 2, false);
    assert_int_equal(task_group_state(world->group), TASK_GROUP_RUNNING);
    world_free(world);
}

static void a_failing_start_fails_all(void **state) {
    (void)state;
    struct world *world = world_new();
    world_start(world);
    let_report(world, 0, false);
    let_report(world, 1, true);
    assert_int_equal(task_group_state(world->group), TASK_GROUP_FAILED);
    assert_int_equal(atomic_load(&world->changes), 1);
    assert_error(world, "second broke");
    let_report(world, 2, false); /* too late to be running */
    assert_int_equal(task_group_state(world->group), TASK_GROUP_FAILED);
    assert_int_equal(atomic_load(&world->changes), 1);
    world_free(world);
}

static void the_first_failure_wins(void **state) {
    (void)state;
    struct world *world = world_new();
    world_start(world);
    let_report(world, 2, true);
    let_report(world, 0, true);
    let_report(world, 1, true);
    assert_error(world, "third broke");
    assert_int_equal(atomic_load(&world->changes), 1);
    world_free(world);
}

struct later {
    sem_t go;
    sem_t changed;
};

static void later_changed(void *context) {
    struct later *later = context;
    sem_post(&later->changed);
}

static void later_run(struct task *task, void *context) {
    struct later *later = context;
    struct error error = {0};
    task_ready(task);
    while (sem_wait(&later->go))
        ;
    error_set(&error, ERROR_DAMAGED, "it broke while it ran");
    task_fail(task, &error);
}

static void a_failure_while_running(void **state) {
    (void)state;
    struct later later;
    struct error error = {0};
    sem_init(&later.go, 0, 0);
    sem_init(&later.changed, 0, 0);
    struct task_group *group = task_group_new(later_changed, &later);
    task_group_add(group, &(struct task_definition){"later", later_run, stop_nothing, &later});
    assert_int_equal(task_group_start(group, &error), 0);
    while (sem_wait(&later.changed))
        ;
    assert_int_equal(task_group_state(group), TASK_GROUP_RUNNING);
    task_group_error(group, &error);
    assert_int_equal(error.kind, 0);
    sem_post(&later.go);
    while (sem_wait(&later.changed))
        ;
    assert_int_equal(task_group_state(group), TASK_GROUP_FAILED);
    task_group_error(group, &error);
    assert_int_equal(error.kind, ERROR_DAMAGED);
    assert_string_equal(error.text, "it broke while it ran");
    task_group_stop(group);
    task_group_free(group);
    sem_destroy(&later.go);
    sem_destroy(&later.changed);
}

static void assert_stopped_in_reverse(const struct world *world) {
    static const char *const reverse[PARTS] = {"third", "second", "first"};
    assert_int_equal(world->stop_count, PARTS);
    for (int i = 0; i < PARTS; i++) {
        assert_string_equal(world->stops[i], reverse[i]);
        assert_int_equal(world->parts[i].ended_when, PARTS - 1 - i);
    }
}

static void stops_last_added_first(void **state) {
    (void)state;
    struct world *world = world_new();
    world_start(world);
    for (int i = 0; i < PARTS; i++)
        let_report(world, i, false);
    task_group_stop(world->group);
    assert_stopped_in_reverse(world);
    assert_int_equal(atomic_load(&world->ended), PARTS);
    task_group_stop(world->group); /* nothing is left to stop */
    assert_int_equal(world->stop_count, PARTS);
    world_free(world);
}

static void stops_before_anyone_is_ready(void **state) {
    (void)state;
    struct world *world = world_new();
    world_start(world);
    task_group_stop(world->group);
    assert_stopped_in_reverse(world);
    assert_int_equal(atomic_load(&world->changes), 0);
    world_free(world);
}

static void stops_before_the_start(void **state) {
    (void)state;
    struct world *world = world_new();
    task_group_stop(world->group);
    assert_int_equal(world->stop_count, 0);
    world_free(world);
}

/* A task that has failed and ended is waited for, too, or its thread would leak. */
static void stops_what_has_failed(void **state) {
    (void)state;
    struct world *world = world_new();
    world_start(world);
    for (int i = 0; i < PARTS; i++)
        let_report(world, i, i == 1);
    task_group_stop(world->group);
    assert_int_equal(world->stop_count, PARTS);
    assert_int_equal(atomic_load(&world->ended), PARTS);
    world_free(world);
}

static void stops_one_and_later_the_others(void **state) {
    (void)state;
    struct world *world = world_new();
    world_start(world);
    for (int i = 0; i < PARTS; i++)
        let_report(world, i, false);
    task_group_stop_one(world->group, "nobody");
    assert_int_equal(world->stop_count, 0);
    task_group_stop_one(world->group, "second");
    task_group_stop_one(world->group, "second");
    assert_int_equal(world->stop_count, 1);
    assert_int_equal(atomic_load(&world->ended), 1);
    task_group_stop(world->group);
    assert_int_equal(world->stop_count, PARTS);
    assert_string_equal(world->stops[0], "second");
    assert_string_equal(world->stops[1], "third");
    assert_string_equal(world->stops[2], "first");
    world_free(world);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct sight {
    char name[16];
    bool blocks_signals;
};

static void sight_run(struct task *task, void *context) {
    struct sight *sight = context;
    sigset_t mask;
    pthread_getname_np(pthread_self(), sight->name, sizeof sight->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sight->blocks_signals = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP) &&
                            sigismember(&mask, SIGINT) && sigismember(&mask, SIGUSR1);
    task_ready(task);
}

static void sight_changed(void *context) {
    (void)context;
}

static void tasks_have_names_and_get_no_signals(void **state) {
    (void)state;
    struct sight sight = {0};
    struct error error = {0};
    struct task_group *group = task_group_new(sight_changed, NULL);
    task_group_add(group,
                   &(struct task_definition){"a-name-of-15-ch", sight_run, stop_nothing, &sight});
    assert_int_equal(task_group_start(group, &error), 0);
    task_group_stop(group);
    assert_string_equal(sight.name, "a-name-of-15-ch");
    assert_true(sight.blocks_signals);

    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM)); /* the owner's mask is as it was */
    task_group_free(group);
    task_group_free(NULL);
}

static void set_default_stack(size_t bytes) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstacksize(&attributes, bytes), 0);
    assert_int_equal(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
}

static void a_thread_that_cant_be_created(void **state) {
    (void)state;
    struct world *world = world_new();
    struct error error = {0}, kept = {0};
    pthread_attr_t usual;
    size_t usual_stack;
    pthread_getattr_default_np(&usual);
    pthread_attr_getstacksize(&usual, &usual_stack);
    pthread_attr_destroy(&usual);

    set_default_stack(impossible_stack);
    int r = task_group_start(world->group, &error);
    set_default_stack(usual_stack);
    assert_int_equal(r, ERROR_FAILED);
    assert_non_null(strstr(error.text, "can't start the thread first: "));
    assert_int_equal(task_group_state(world->group), TASK_GROUP_FAILED);
    assert_int_equal(atomic_load(&world->changes), 1);
    task_group_error(world->group, &kept);
    assert_string_equal(kept.text, error.text);
    task_group_stop(world->group);
    assert_int_equal(world->stop_count, 0);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_once_all_are_ready),
        cmocka_unit_test(ready_twice_is_ready_once),
        cmocka_unit_test(a_failing_start_fails_all),
        cmocka_unit_test(the_first_failure_wins),
        cmocka_unit_test(a_failure_while_running),
        cmocka_unit_test(stops_last_added_first),
        cmocka_unit_test(stops_before_anyone_is_ready),
        cmocka_unit_test(stops_before_the_start),
        cmocka_unit_test(stops_what_has_failed),
        cmocka_unit_test(stops_one_and_later_the_others),
        cmocka_unit_test(tasks_have_names_and_get_no_signals),
        cmocka_unit_test(a_thread_that_cant_be_created),
    };
    alarm(GIVE_UP_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
