/*
 * Which thread makes the next step, in every execution of a scenario; and what a step waits for.
 */

#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK_BYTES = 256 * 1024, CHOICES_MAX = 4000, TRACE_MAX = 4000 };

enum operation { OP_START, OP_LOCK, OP_SIGNAL, OP_SET, OP_WAIT, OP_CREATE, OP_JOIN, OP_END };

static const char *const operation_words[] = {"starts",   "locks",   "signals", "sets an event",
                                              "is woken", "creates", "joins",   "has ended"};

struct thread {
    ucontext_t context;
    void *stack;
    void *(*run)(void *argument);
    void *argument;
    enum operation operation; /* its next step begins with this */
    void *object;             /* on this; NULL: it may have to do with everything */
    bool asleep;              /* on a condition */
};

/* A decision: which of `count`. Threads before the chosen one were explored before; they sleep
 * until a step comes that has to do with theirs. */
struct choice {
    int chosen, count;
    bool of_threads;
    int threads[MODEL_THREADS_MAX];
};

static struct {
    const char *name;
    void (*scenario)(void);
    int preemptions;
    struct choice choices[CHOICES_MAX];
    int n_choices, depth; /* made so far at all, and in this execution */
    long executions, steps;

    /* Of this execution. */
    struct thread threads[MODEL_THREADS_MAX];
    int n_threads, self, preemptions_left, refusals_left;
    bool spurious_left;
    unsigned sleeping; /* a bit for each thread */
    bool pruned;       /* the rest of it has been seen in another order */
    ucontext_t scheduler;
    struct {
        int thread;
        enum operation operation;
    } trace[TRACE_MAX];
    int n_trace;
} model;

struct model_clock model_clocks[MODEL_THREADS_MAX];

void model_clock_join(struct model_clock *clock, const struct model_clock *other) {
    for (int i = 0; i < MODEL_THREADS_MAX; i++)
        if (other->steps[i] > clock->steps[i])
            clock->steps[i] = other->steps[i];
}

int model_self(void) {
    return model.self;
}

void model_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("FAILED %s, execution %ld: ", model.name, model.executions + 1);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    for (int i = 0; i < model.n_trace; i++)
        printf("    %2d. thread %d %s\n", i + 1, model.trace[i].thread,
               operation_words[model.trace[i].operation]);
    fflush(stdout);
    _Exit(1);
}

/* ---- choices ----------------------------------------------------------------------------------
 */

static struct choice *choice_next(int count, bool of_threads) {
    if (model.depth == CHOICES_MAX)
        abort();
    struct choice *choice = &model.choices[model.depth++];
    if (model.depth > model.n_choices) {
        *choice = (struct choice){.count = count, .of_threads = of_threads};
        model.n_choices = model.depth;
    }
    if (choice->count != count || choice->of_threads != of_threads)
        abort(); /* the scenario is not the same each time */
    return choice;
}

int model_choose(int count) {
    return model.pruned ? 0 : choice_next(count, false)->chosen;
}

void model_refuse_threads(int times) {
    model.refusals_left = times;
}

/* To the next execution: false when there is none. */
static bool choices_advance(void) {
    while (model.n_choices) {
        struct choice *last = &model.choices[model.n_choices - 1];
        if (++last->chosen < last->count)
            return true;
        model.n_choices--;
    }
    return false;
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static bool thread_can_go_on(const struct thread *thread) {
    if (thread->asleep)
        return false;
    switch (thread->operation) {
    case OP_LOCK:
        return !((struct model_mutex *)thread->object)->owner;
    case OP_WAIT:
        return ((struct model_event *)thread->object)->set;
    case OP_JOIN:
        return ((struct thread *)thread->object)->operation == OP_END;
    case OP_END:
        return false;
    default:
        return true;
    }
}

/* The threads that can make a step, the one that made the last one first. */
static int threads_enabled(int enabled[MODEL_THREADS_MAX]) {
    int count = 0;
    for (int i = 0; i < model.n_threads; i++) {
        int thread = i == 0 ? model.self : i <= model.self ? i - 1 : i;
        if (thread_can_go_on(&model.threads[thread]))
            enabled[count++] = thread;
    }
    return count;
}

static void check_deadlock(void) {
    for (int i = 0; i < model.n_threads; i++)
        if (model.threads[i].operation != OP_END)
            model_fail("nobody can go on: thread %d %s for ever", i,
                       model.threads[i].asleep ? "waits for a condition" : "waits");
}

/* What sleeps through a step of `thread`: it has nothing to do with that. */
static unsigned sleeping_after(unsigned sleeping, int thread) {
    const void *object = model.threads[thread].object;
    unsigned rest = 0;
    for (int i = 0; i < model.n_threads; i++)
        if (sleeping >> i & 1u && object && model.threads[i].object &&
            model.threads[i].object != object)
            rest |= 1u << i;
    return rest;
}

static int step_exhaustive(const int *enabled, int count) {
    int awake[MODEL_THREADS_MAX], n_awake = 0;
    for (int i = 0; i < count; i++)
        if (!(model.sleeping >> enabled[i] & 1u))
            awake[n_awake++] = enabled[i];
    if (!n_awake || model.pruned) {
        model.pruned = true;
        return enabled[0];
    }
    struct choice *choice = choice_next(n_awake, true);
    for (int i = 0; i < choice->chosen; i++)
        model.sleeping |= 1u << awake[i];
    model.sleeping = sleeping_after(model.sleeping, awake[choice->chosen]);
    return awake[choice->chosen];
}

static int step_bounded(const int *enabled, int count) {
    bool goes_on = enabled[0] == model.self;
    if (goes_on && !model.preemptions_left)
        return enabled[0];
    int chosen = count > 1 ? choice_next(count, true)->chosen : 0;
    model.preemptions_left -= goes_on && chosen;
    return enabled[chosen];
}

/* Lets one step after the other be made until all threads have ended. */
static void execute(void) {
    int enabled[MODEL_THREADS_MAX], count;
    while ((count = threads_enabled(enabled))) {
        model.self =
            model.preemptions < 0 ? step_exhaustive(enabled, count) : step_bounded(enabled, count);
        if (model.n_trace == TRACE_MAX)
            model_fail("it never ends");
        model.trace[model.n_trace].thread = model.self;
        model.trace[model.n_trace++].operation = model.threads[model.self].operation;
        model_clocks[model.self].steps[model.self]++;
        model.steps++;
        swapcontext(&model.scheduler, &model.threads[model.self].context);
    }
    check_deadlock();
}

/* Called by a thread before an operation: returns when it is its turn, and the operation can be. */
static void step(enum operation operation, void *object) {
    struct thread *thread = &model.threads[model.self];
    thread->operation = operation;
    thread->object = object;
    swapcontext(&thread->context, &model.scheduler);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static void thread_main(void) {
    struct thread *thread = &model.threads[model.self];
    thread->run(thread->argument);
    thread = &model.threads[model.self];
    thread->operation = OP_END;
    swapcontext(&thread->context, &model.scheduler);
}

static int thread_start(void *(*run)(void *argument), void *argument) {
    if (model.n_threads == MODEL_THREADS_MAX)
        abort();
    int number = model.n_threads++;
    struct thread *thread = &model.threads[number];
    void *stack = thread->stack;
    if (!stack)
        stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        abort();
    *thread = (struct thread){.stack = stack, .run = run, .argument = argument};
    thread->object = thread; /* what it does before its first operation is its own */
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = stack;
    thread->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&thread->context, thread_main, 0);
    return number;
}

int model_thread_create(model_thread *thread, void *(*run)(void *argument), void *argument) {
    step(OP_CREATE, &model.threads[model.self]);
    if (model.refusals_left && model_choose(2)) {
        model.refusals_left--;
        return 11; /* EAGAIN */
    }
    int number = thread_start(run, argument);
    model_clocks[number] = model_clocks[model.self];
    model_clocks[model.self].steps[model.self]++;
    *thread = number;
    return 0;
}

void model_thread_join(model_thread thread) {
    step(OP_JOIN, &model.threads[thread]);
    model_clock_join(&model_clocks[model.self], &model_clocks[thread]);
}

/* ---- locks, conditions, events ----------------------------------------------------------------
 */

void model_mutex_init(struct model_mutex *mutex) {
    *mutex = (struct model_mutex){0};
}

void model_mutex_destroy(struct model_mutex *mutex) {
    model_check(!mutex->owner, "a lock is destroyed that thread %d holds", mutex->owner - 1);
}

void model_mutex_lock(struct model_mutex *mutex) {
    step(OP_LOCK, mutex);
    mutex->owner = model.self + 1;
    model_clock_join(&model_clocks[model.self], &mutex->clock);
}

static void mutex_release(struct model_mutex *mutex) {
    model_check(mutex->owner == model.self + 1, "thread %d unlocks what it doesn't hold",
                model.self);
    mutex->owner = 0;
    mutex->clock = model_clocks[model.self];
    model_clocks[model.self].steps[model.self]++;
}

/* No step of its own: whoever wants the lock can't tell how long ago it was let go. */
void model_mutex_unlock(struct model_mutex *mutex) {
    mutex_release(mutex);
}

void model_cond_init(struct model_cond *cond) {
    *cond = (struct model_cond){0};
}

void model_cond_destroy(struct model_cond *cond) {
    model_check(!cond->waiting, "a condition is destroyed that somebody waits for");
}

void model_cond_wait(struct model_cond *cond, struct model_mutex *mutex) {
    bool spurious = model.spurious_left && model_choose(2);
    mutex_release(mutex);
    if (spurious) {
        model.spurious_left = false;
    } else {
        cond->waiting |= 1u << model.self;
        model.threads[model.self].asleep = true;
    }
    step(OP_LOCK, mutex);
    mutex->owner = model.self + 1;
    model_clock_join(&model_clocks[model.self], &mutex->clock);
}

/* Under a lock, a signal is a part of the step that took it. Without one, it is a step that may
 * have to do with any other. */
static void cond_step(void) {
    const struct thread *thread = &model.threads[model.self];
    const struct model_mutex *mutex = thread->object;
    if (thread->operation != OP_LOCK || mutex->owner != model.self + 1)
        step(OP_SIGNAL, NULL);
}

static void cond_wake(struct model_cond *cond, int thread) {
    cond->waiting &= ~(1u << thread);
    model.threads[thread].asleep = false;
}

void model_cond_broadcast(struct model_cond *cond) {
    cond_step();
    for (int i = 0; i < model.n_threads; i++)
        if (cond->waiting >> i & 1u)
            cond_wake(cond, i);
}

void model_cond_signal(struct model_cond *cond) {
    cond_step();
    int waiting[MODEL_THREADS_MAX], count = 0;
    for (int i = 0; i < model.n_threads; i++)
        if (cond->waiting >> i & 1u)
            waiting[count++] = i;
    if (count)
        cond_wake(cond, waiting[count > 1 ? model_choose(count) : 0]);
}

void model_event_set(struct model_event *event) {
    step(OP_SET, event);
    event->set = true;
    model_clock_join(&event->clock, &model_clocks[model.self]);
    model_clocks[model.self].steps[model.self]++;
}

void model_event_wait(struct model_event *event) {
    step(OP_WAIT, event);
    event->set = false;
    model_clock_join(&model_clocks[model.self], &event->clock);
}

/* ---- executions -------------------------------------------------------------------------------
 */

static void *run_scenario(void *argument) {
    (void)argument;
    model.scenario();
    return NULL;
}

static void execution_begin(void) {
    model.depth = model.n_threads = model.self = model.n_trace = 0;
    model.preemptions_left = model.preemptions;
    model.refusals_left = 0;
    model.spurious_left = true;
    model.sleeping = 0;
    model.pruned = false;
    memset(model_clocks, 0, sizeof model_clocks);
    race_begin();
    thread_start(run_scenario, NULL);
}

void model_explore(const char *name, void (*scenario)(void), int preemptions) {
    long whole = 0;
    model.name = name;
    model.scenario = scenario;
    model.preemptions = preemptions;
    model.executions = model.steps = 0;
    model.n_choices = 0;
    do {
        execution_begin();
        execute();
        race_check_freed();
        whole += !model.pruned;
        model.executions++;
    } while (choices_advance());
    char bound[64] = "every order";
    if (preemptions >= 0)
        snprintf(bound, sizeof bound, "every order of at most %d preemptions", preemptions);
    printf("passed %-36s %9ld executions, %10ld steps: %s\n", name, whole, model.steps, bound);
    fflush(stdout);
}

int model_main(int argc, char **argv, const struct model_scenario *scenarios, size_t count) {
    bool all = argc > 1 && !strcmp(argv[1], "--all");
    const char *only = argc > 1 && !all ? argv[1] : NULL;
    for (size_t i = 0; i < count; i++)
        if (!only || !strcmp(only, scenarios[i].name))
            model_explore(scenarios[i].name, scenarios[i].run, all ? -1 : scenarios[i].preemptions);
    return 0;
}
