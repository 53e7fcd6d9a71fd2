/*
 * The task group, in every order: it is running when every task is ready and none has failed; the
 * first failure decides, and stays; whoever sleeps until the state changes is woken; stopping goes
 * in the reverse order, and each task has ended before the one before it is asked; and no thread is
 * left.
 */

#include "model.h"
#include "outhook/runtime/task_group.h"

#include <stdio.h>
#include <string.h>

enum { TASKS = 3 };

enum behaviour { BECOMES_READY, FAILS, FAILS_WHEN_READY, BEHAVIOURS };

static const char *const names[TASKS] = {"task0", "task1", "task2"};

struct part {
    int number;
    enum behaviour behaviour;
    struct model_event stop;
    bool asked, failed, ended;
};

static struct {
    struct task_group *group;
    struct model_event changed; /* of the owner */
    int count, started;
    struct part parts[TASKS];
} world;

static void changed(void *context) {
    model_event_set(context);
}

/* ---- tasks ------------------------------------------------------------------------------------
 */

static void part_fail(struct task *task, struct part *part) {
    struct error error = {.kind = ERROR_FAILED};
    snprintf(error.text, sizeof error.text, "%s", names[part->number]);
    part->failed = true;
    task_fail(task, &error);
}

static void part_run(struct task *task, void *context) {
    struct part *part = context;
    if (part->behaviour == BECOMES_READY || part->behaviour == FAILS_WHEN_READY)
        task_ready(task);
    if (part->behaviour == FAILS || part->behaviour == FAILS_WHEN_READY)
        part_fail(task, part);
    else
        model_event_wait(&part->stop);
    part->ended = true;
}

/* The owner asks: those that were added later have ended. */
static void part_stop(void *context) {
    struct part *part = context;
    for (int i = part->number + 1; i < world.started; i++)
        model_check(world.parts[i].ended, "task %d is asked to stop before task %d has ended",
                    part->number, i);
    model_check(!part->asked, "task %d is asked twice", part->number);
    part->asked = true;
    model_event_set(&part->stop);
}

/* ---- the owner --------------------------------------------------------------------------------
 */

static void begin(int count) {
    memset(&world, 0, sizeof world);
    world.count = count;
    world.group = task_group_new(changed, &world.changed);
    for (int i = 0; i < count; i++) {
        world.parts[i].number = i;
        struct task_definition definition = {names[i], part_run, part_stop, &world.parts[i]};
        task_group_add(world.group, &definition);
    }
}

static void start_all(void) {
    struct error error = {0};
    if (task_group_start(world.group, &error))
        model_fail("not started");
    world.started = world.count;
}

static int parts_that_fail(void) {
    int fail = 0;
    for (int i = 0; i < world.count; i++)
        fail += world.parts[i].behaviour != BECOMES_READY;
    return fail;
}

/* Sleeps until the group runs or has failed, as the supervisor does. */
static enum task_group_state wait_state(void) {
    enum task_group_state state;
    while ((state = task_group_state(world.group)) == TASK_GROUP_STARTING)
        model_event_wait(&world.changed);
    return state;
}

/* The group's error is that of a task that has failed. */
static void check_error(const struct error *error) {
    bool known = false;
    for (int i = 0; i < world.count; i++)
        known |= world.parts[i].failed && !strcmp(error->text, names[i]);
    model_check(known, "the error \"%s\" is nobody's", error->text);
}

static void end(void) {
    task_group_stop(world.group);
    for (int i = 0; i < world.started; i++)
        model_check(world.parts[i].ended, "task %d still runs", i);
    task_group_free(world.group);
}

/* ---- scenarios --------------------------------------------------------------------------------
 */

static void lives(void) {
    struct error error = {0}, later = {0};
    for (int i = 0; i < world.count; i++)
        world.parts[i].behaviour = (enum behaviour)model_choose(BEHAVIOURS);
    start_all();
    if (!parts_that_fail()) {
        model_check(wait_state() == TASK_GROUP_RUNNING, "not running");
    } else {
        while (wait_state() != TASK_GROUP_FAILED)
            model_event_wait(&world.changed);
        task_group_error(world.group, &error);
        check_error(&error);
    }
    task_group_stop(world.group);
    if (parts_that_fail()) {
        task_group_error(world.group, &later);
        model_check(!strcmp(error.text, later.text),
                    "the first error was \"%s\", and is now \"%s\"", error.text, later.text);
        model_check(task_group_state(world.group) == TASK_GROUP_FAILED, "no longer failed");
    }
    end();
}

static void two_live_as_they_like(void) {
    begin(2);
    lives();
}

static void three_live_as_they_like(void) {
    begin(3);
    lives();
}

/* The first task to start may be the last whose thread there is. */
static void some_are_refused(void) {
    struct error error = {0};
    begin(3);
    model_refuse_threads(1);
    if (!task_group_start(world.group, &error)) {
        model_check(wait_state() == TASK_GROUP_RUNNING, "not running");
    } else {
        struct error first = {0};
        model_check(wait_state() == TASK_GROUP_FAILED, "not failed");
        model_check(strstr(error.text, "can't start the thread"), "\"%s\"", error.text);
        task_group_error(world.group, &first);
        model_check(!strcmp(first.text, error.text), "\"%s\"", first.text);
        model_event_wait(&world.changed);
    }
    end();
}

/* Stopped at once, whatever the tasks are about to do. */
static void stopped_while_starting(void) {
    begin(2);
    for (int i = 0; i < world.count; i++)
        world.parts[i].behaviour = (enum behaviour)model_choose(BEHAVIOURS);
    start_all();
    end();
}

/* A shutdown in steps: the last two by name, then the rest. */
static void stopped_by_name(void) {
    begin(3);
    start_all();
    wait_state();
    task_group_stop_one(world.group, names[2]);
    model_check(world.parts[2].ended, "task 2 was not stopped");
    task_group_stop_one(world.group, names[1]);
    end();
}

int main(int argc, char **argv) {
    static const struct model_scenario scenarios[] = {
        {"two_live_as_they_like", two_live_as_they_like, -1},
        {"three_live_as_they_like", three_live_as_they_like, -1},
        {"some_are_refused", some_are_refused, -1},
        {"stopped_while_starting", stopped_while_starting, -1},
        {"stopped_by_name", stopped_by_name, -1},
    };
    return model_main(argc, argv, scenarios, sizeof scenarios / sizeof *scenarios);
}
