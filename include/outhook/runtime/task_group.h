#ifndef OUTHOOK_RUNTIME_TASK_GROUP_H
#define OUTHOOK_RUNTIME_TASK_GROUP_H

/*
 * Threads that live and die together.
 *
 * All start at once; the group is ready when each has said so. The first one that fails, at its
 * start or later, decides the group's error; whoever owns the group then stops it. Stopping goes in
 * the reverse order of adding: each task is asked, and waited for, before the next one is asked.
 *
 *      ADDED ──start──▶ STARTING ──all ready──▶ RUNNING
 *                          └───────any fails───────┴──▶ FAILED
 *      (stop may come in every state)
 */

#include "outhook/base/error.h"

#include <stdbool.h>

struct task_group;
struct task;

enum task_group_state {
    TASK_GROUP_ADDED,
    TASK_GROUP_STARTING,
    TASK_GROUP_RUNNING,
    TASK_GROUP_FAILED
};

/* What a task is: `run` is its thread, which calls task_ready() or task_fail() and returns when
 * stopped or failed; `stop` asks it to, from the owner's thread, and returns at once. */
struct task_definition {
    const char *name; /* at most 15 characters: it is the thread's name, too */
    void (*run)(struct task *task, void *context);
    void (*stop)(void *context);
    void *context;
};

/* An empty group. `changed` is called, from any of the tasks' threads, when the state has changed.
 */
struct task_group *task_group_new(void (*changed)(void *context), void *context);

/* Adds a task before the start. */
void task_group_add(struct task_group *group, const struct task_definition *definition);

/* Starts all tasks. Fails when a thread can't be created; stop the group then, too. Owner's thread.
 */
int task_group_start(struct task_group *group, struct error *error) must_check;

/* The state now. Any thread. */
enum task_group_state task_group_state(struct task_group *group);

/* Copies the first error. Any thread. */
void task_group_error(struct task_group *group, struct error *error);

/* Stops one task and waits for its end: for an owner whose shutdown has steps. Owner's thread. */
void task_group_stop_one(struct task_group *group, const char *name);

/* Stops all that still run, last added first, and waits. Owner's thread. */
void task_group_stop(struct task_group *group);

/* Frees a stopped group. NULL is fine. */
void task_group_free(struct task_group *group);

/* Called by a task on its own thread: it is set up. */
void task_ready(struct task *task);

/* Called by a task on its own thread: it can't go on; it returns from `run` next. */
void task_fail(struct task *task, const struct error *error);

#endif
