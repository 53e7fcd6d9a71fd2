#include "outhook/runtime/task_group.h"

#include "outhook/base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 128 };

struct task {
    struct task_group *group;
    struct task_definition definition;
    pthread_t thread;
    bool started; /* owner's thread only: the thread exists and has not been joined */
    bool ready;   /* under the group's lock */
};

struct task_group {
    struct task tasks[TASKS_MAX];
    int count;
    pthread_mutex_t lock; /* for all below */
    enum task_group_state state;
    int ready;
    struct error error;
    void (*changed)(void *context);
    void *context;
};

struct task_group *task_group_new(void (*changed)(void *context), void *context) {
    struct task_group *group = new (struct task_group);
    pthread_mutex_init(&group->lock, NULL);
    group->changed = changed;
    group->context = context;
    return group;
}

void task_group_add(struct task_group *group, const struct task_definition *definition) {
    if (group->count == TASKS_MAX)
        abort();
    struct task *task = &group->tasks[group->count++];
    task->group = group;
    task->definition = *definition;
}

static void task_group_fail(struct task_group *group, const struct error *error) {
    pthread_mutex_lock(&group->lock);
    bool first = group->state != TASK_GROUP_FAILED;
    if (first) {
        group->state = TASK_GROUP_FAILED;
        group->error = *error;
    }
    pthread_mutex_unlock(&group->lock);
    if (first)
        group->changed(group->context);
}

void task_fail(struct task *task, const struct error *error) {
    task_group_fail(task->group, error);
}

void task_ready(struct task *task) {
    struct task_group *group = task->group;
    bool all = false;

    pthread_mutex_lock(&group->lock);
    if (!task->ready) {
        task->ready = true;
        all = ++group->ready == group->count && group->state == TASK_GROUP_STARTING;
        if (all)
            group->state = TASK_GROUP_RUNNING;
    }
    pthread_mutex_unlock(&group->lock);
    if (all)
        group->changed(group->context);
}

/* Signals are for the owner's loop only, so tasks inherit a mask that blocks them all. */
static void *task_thread(void *argument) {
    struct task *task = argument;
    pthread_setname_np(pthread_self(), task->definition.name);
    task->definition.run(task, task->definition.context);
    return NULL;
}

static int task_start(struct task *task, struct error *error) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&task->thread, NULL, task_thread, task);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code)
        return error_set(error, ERROR_FAILED, "can't start the thread %s: %s",
                         task->definition.name, strerror(code));
    task->started = true;
    return 0;
}

int task_group_start(struct task_group *group, struct error *error) {
    group->state = TASK_GROUP_STARTING;
    for (int i = 0; i < group->count; i++) {
        int r = task_start(&group->tasks[i], error);
        if (r) {
            task_group_fail(group, error);
            return r;
        }
    }
    return 0;
}

enum task_group_state task_group_state(struct task_group *group) {
    pthread_mutex_lock(&group->lock);
    enum task_group_state state = group->state;
    pthread_mutex_unlock(&group->lock);
    return state;
}

void task_group_error(struct task_group *group, struct error *error) {
    pthread_mutex_lock(&group->lock);
    *error = group->error;
    pthread_mutex_unlock(&group->lock);
}

static void task_stop(struct task *task) {
    if (!task->started)
        return;
    task->definition.stop(task->definition.context);
    pthread_join(task->thread, NULL);
    task->started = false;
}

void task_group_stop_one(struct task_group *group, const char *name) {
    for (int i = 0; i < group->count; i++)
        if (!strcmp(group->tasks[i].definition.name, name))
            task_stop(&group->tasks[i]);
}

void task_group_stop(struct task_group *group) {
    for (int i = group->count - 1; i >= 0; i--)
        task_stop(&group->tasks[i]);
}

void task_group_free(struct task_group *group) {
    if (!group)
        return;
    pthread_mutex_destroy(&group->lock);
    free(group);
}
