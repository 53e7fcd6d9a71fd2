#ifndef OUTHOOK_MODEL_H
#define OUTHOOK_MODEL_H

/*
 * Runs a scenario of several threads again and again, until it has been run in every order that its
 * threads' steps can come in.
 *
 * The threads are coroutines of one real thread. A step begins with an operation on something that
 * threads share (taking a lock, an event, the start or the end of a thread) and goes on to the next
 * such operation; which thread makes the next step is a choice, and the choices are explored depth
 * first. Orders that differ only in steps that have nothing to do with each other are explored once
 * (sleep sets). That is enough, as memory which is used outside such operations without one
 * happening before the other is found in any order (race.c: vector clocks), and is a failure
 * itself.
 *
 * The code under test is the real one, compiled with shim.h in front, which puts these operations
 * in the place of pthread's, and with the compiler's own hooks at each access to memory
 * (-fsanitize=thread, without its runtime).
 */

#include <stdbool.h>
#include <stddef.h>

enum { MODEL_THREADS_MAX = 6 };

/* What happened before what: a count of steps for each thread. */
struct model_clock {
    unsigned steps[MODEL_THREADS_MAX];
};

struct model_mutex {
    int owner; /* a thread's number plus one; 0: nobody */
    struct model_clock clock;
};

struct model_cond {
    unsigned waiting; /* a bit for each thread */
};

/* What wakes a loop: setting it twice wakes once (an eventfd, uv_async_send()). */
struct model_event {
    bool set;
    struct model_clock clock;
};

typedef int model_thread;

void model_mutex_init(struct model_mutex *mutex);
void model_mutex_destroy(struct model_mutex *mutex);
void model_mutex_lock(struct model_mutex *mutex);
void model_mutex_unlock(struct model_mutex *mutex);
void model_cond_init(struct model_cond *cond);
void model_cond_destroy(struct model_cond *cond);
/* Wakes without a reason, too, once an execution. */
void model_cond_wait(struct model_cond *cond, struct model_mutex *mutex);
void model_cond_signal(struct model_cond *cond);
void model_cond_broadcast(struct model_cond *cond);
void model_event_set(struct model_event *event);
void model_event_wait(struct model_event *event);
/* 0, or what pthread_create() returns when the scenario lets one be refused. */
int model_thread_create(model_thread *thread, void *(*run)(void *argument), void *argument);
void model_thread_join(model_thread thread);

/* ---- for scenarios ----------------------------------------------------------------------------
 */

/* One of `count` things, 0 first; every one is tried. */
int model_choose(int count);

/* The thread that runs, 0 being the scenario's own. */
int model_self(void);

/* How many times pthread_create() may still be refused in this execution, at any of its calls. */
void model_refuse_threads(int times);

/* Ends the program and prints the order of steps that led there, unless `condition` holds. */
#define model_check(condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition))                                                                          \
            model_fail(__VA_ARGS__);                                                               \
    } while (0)
void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Runs `scenario` in every order, or in those with at most `preemptions` switches away from a
 * thread that could go on (-1: in every one). Prints how many there were. */
void model_explore(const char *name, void (*scenario)(void), int preemptions);

struct model_scenario {
    const char *name;
    void (*run)(void);
    int preemptions; /* in the short form; with --all there is no bound */
};

/* Explores the scenario that argv names, or all of them. Returns the program's status. */
int model_main(int argc, char **argv, const struct model_scenario *scenarios, size_t count);

/* ---- between the model's own files ------------------------------------------------------------
 */

extern struct model_clock model_clocks[MODEL_THREADS_MAX];
void model_clock_join(struct model_clock *clock, const struct model_clock *other);
void race_begin(void);
void race_check_freed(void);

#endif
