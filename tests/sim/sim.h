#ifndef OUTHOOK_TESTS_SIM_H
#define OUTHOOK_TESTS_SIM_H

/*
 * A simulator: the real scheduler, lanes and policies under a virtual clock, with a model of the
 * store (sim_store.c) and models of receivers (sim_receiver.c), all from one seed.
 *
 *      arrivals ──▶ rows ──look──▶ store ══replies══▶ scheduler ──send──▶ receiver
 *                                    ▲                │     ▲                 │
 *                                    └═══requests═════┘     └────call ends────┘
 *
 * The store keeps the contract of store/queue.h and store/store.h: requests and replies are two
 * queues, each with latencies of its own; a row that was handed out is not loaded again before it
 * is given back or its outcome is committed; outcomes are committed in groups, later than loads
 * that were asked for after them, and not at all while another process holds the write lock. A kill
 * loses what was not committed, and all that was in memory.
 *
 * One step is one event. What must hold is looked at after every step (sim_check.c).
 */

#include "outhook/base/error.h"
#include "outhook/base/heap.h"
#include "outhook/base/list.h"
#include "outhook/base/random.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/scheduler.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    SECOND = 1000, /* ms */
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    US_PER_MS = 1000,
    TRACE_LENGTH = 48,
    LOADED_MAX = 32,
    WAIT_MAX_MS = 120 * SECOND,
    TOUCHED_MAX = 4096,
};

/* ---- receivers ------------------------------------------------------------------------------- */

enum receiver_kind {
    RECEIVER_STEADY,   /* 204 after latency_ms */
    RECEIVER_HEAVY,    /* 204 after a Pareto-distributed time, at least latency_ms, at most 10 s */
    RECEIVER_HANGING,  /* takes the call and says nothing until it times out after 30 s */
    RECEIVER_PARTLY,   /* hangs with a probability, else 204: one of its servers is down */
    RECEIVER_REFUSING, /* nobody listens */
    RECEIVER_FLAKY,    /* 500 with a probability, else 204 */
    RECEIVER_LIMITED,  /* 429 with Retry-After beyond `most` calls in each window of window_ms */
    RECEIVER_CROWDED,  /* 503 without Retry-After while more than `most` calls are under way */
    RECEIVER_GONE,     /* 410 */
};

struct receiver {
    enum receiver_kind kind;
    int64_t latency_ms;
    int fail_percent;
    int most;
    int64_t window_ms;
    /* From outage_from on it is of another kind, for outage_ms, and again every outage_every. */
    enum receiver_kind outage_kind;
    int64_t outage_from, outage_ms, outage_every;
    /* What it remembers. */
    int64_t window;
    int window_calls;
};

/* How a call ends that starts now, while `calls` others are under way. */
struct outcome receiver_answer(struct receiver *receiver, struct random *random, int64_t mono_ms,
                               int calls);

/* ---- rows and sites -------------------------------------------------------------------------- */

enum row_status { ROW_PENDING, ROW_DELIVERED, ROW_FAILED, ROW_EXPIRED };

struct row {
    struct heap_node node; /* in its site's rows while pending and not handed out */
    struct list fresh;     /* among the fresh until the store has noticed it */
    struct list out;       /* among those handed out */
    int64_t id, due_at, expires_at;
    struct site *site;
    size_t bytes;
    int attempts, received;
    enum row_status status;
    bool handed_out, flying;
};

enum event_kind {
    EVENT_ARRIVAL, /* of a site */
    EVENT_CALL,    /* a call ends */
    EVENT_STORE,   /* the store takes requests */
    EVENT_COMMIT,
    EVENT_REPLY, /* the loop takes the store's oldest reply */
    EVENT_WAKE,  /* the scheduler's timer */
    EVENT_LOCK,  /* another process takes the write lock */
    EVENT_ENABLE /* an operator enables a site again, which is well by now */
};

struct event {
    struct heap_node node; /* by µs */
    enum event_kind kind;
    struct site *site;
    struct delivery *delivery; /* of a call */
    struct outcome outcome;
    int64_t began_us;
};

/* An endpoint with its receiver and its traffic. */
struct site {
    int64_t id;
    int64_t origin; /* its own, unless another site has the same number */
    int group;      /* what the figures are summed over */
    bool named, enabled, ordered;
    bool told; /* the loop knows it, as far as the store knows */
    int max_in_flight;
    double rate_limit;
    struct receiver receiver;
    double per_second; /* arrivals, Poisson */
    bool refill;       /* a row that ends is followed by a new one */
    int64_t expire_ms; /* 0: rows do not */
    struct event arrival, enable;

    struct heap rows;
    int messages;           /* about it, between store and loop; fresh rows included */
    struct message *notice; /* of the store's look number `looked` */
    int64_t looked;
    bool retold; /* its next_due was read while rows were handed out, and may be early */
    int calls, calls_most, sent, delivered, refused;
    int64_t slot_us;
};

struct message {
    struct list link;
    enum message_kind {
        ASK_LOAD,
        ASK_RELEASE,
        ASK_WRITE,
        ASK_FORGET,
        ASK_REFRESH,
        TELL_ENDPOINT,
        TELL_NOTICED,
        TELL_OFFERED,
        TELL_LOADED,
        TELL_FORGOTTEN,
        TELL_WRITTEN
    } kind;
    struct site *site;
    int count, asked_rows;
    int64_t bytes, id, due_at, notice_due, need_bytes;
    struct delivery *delivery, *rows[LOADED_MAX];
    enum row_status fate;
    bool attempted, disable;
    struct endpoint *endpoint;
};

/* ---- the simulator --------------------------------------------------------------------------- */

struct trace {
    int64_t at_us;
    const char *what;
    int64_t site, row, number;
};

struct options {
    uint64_t seed;
    int scale;       /* worlds are this much smaller */
    int check_every; /* steps between two full checks; 0: no checks, the scenarios' own alone */
    int64_t kill_at; /* the step of the kill; -1: none */
};

struct sim {
    const char *scenario;
    struct options options;
    struct scheduler scheduler;
    struct scheduler_policy policy;
    struct durations schedule;
    struct random random;
    struct now now;
    int64_t now_us, next_event;
    int64_t steps, sends;
    struct heap events;
    struct site *sites;
    int n_sites, sites_capacity;
    struct row **rows; /* by id - 1 */
    int64_t n_rows, rows_capacity, n_ended;
    int ended[ROW_EXPIRED + 1];
    bool arrivals_stopped;

    /* The store. */
    struct list fresh, handed_out;        /* rows */
    struct list asked, told, uncommitted; /* messages */
    struct event store, commit, reply, wake, lock;
    int64_t looks;
    int64_t turn_most_us; /* until the store takes what is asked */
    int64_t lock_every_ms, locked_until_us;
    int booted; /* sites that have been told of since the start */

    /* What the scheduler should count, counted at its edges. */
    int n_calls, n_unproven, n_unwritten, n_loads, n_loaded;
    int64_t bytes_loaded;
    struct site *touched[TOUCHED_MAX];
    int n_touched, next_checked;

    /* Figures. */
    int64_t measure_from_us, measure_until_us;
    uint32_t *waits[2]; /* by group: number of first sends that waited so many ms */
    int loaded_most;
    int64_t bytes_most, loaded_sum, bytes_sum; /* the sums are over all steps */
    int64_t forgotten, kills, duplicates, duplicates_allowed;
    struct trace trace[TRACE_LENGTH];
    int64_t traced;
};

struct sim *sim_new(const char *scenario, const struct options *options, int slots, int sites);

void sim_free(struct sim *sim);

/* A new site, healthy, with 50 ms a call and no traffic. */
struct site *sim_add_site(struct sim *sim);

void sim_insert(struct sim *sim, struct site *site, int64_t due_in_ms);

/* Tells the scheduler of all sites and lets traffic begin. */
void sim_start(struct sim *sim);

/* One event. */
void sim_step(struct sim *sim);

/* Lets virtual time pass. */
void sim_go(struct sim *sim, int64_t ms);

/* No more arrivals; all rows must come to their end within `ms`. The virtual ms that it took. */
int64_t sim_drain(struct sim *sim, int64_t ms);

/* The process dies, and another one is started. */
void sim_kill(struct sim *sim);

/* The wait in ms that this many of a thousand first sends of a group did not exceed. */
int64_t sim_wait(const struct sim *sim, int group, int permille);

/* Says what is wrong, and how to see it again; then it ends the program. */
_Noreturn void sim_fail(struct sim *sim, const char *format, ...) printf_like(2, 3);

void sim_trace(struct sim *sim, const char *what, const struct site *site, int64_t row,
               int64_t number);

/* Says what must be true. */
#define sim_assert(sim, condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail(sim, "not true at %s:%d: %s", __FILE__, __LINE__, #condition);                \
    } while (0)

/* ---- between its files ----------------------------------------------------------------------- */

void sim_schedule(struct sim *sim, struct event *event, int64_t at_us);
int64_t sim_below(struct sim *sim, int64_t bound);
void sim_touch(struct sim *sim, struct site *site);
struct row *sim_row(struct sim *sim, int64_t id);

extern const struct scheduler_ops sim_ops;
void store_ask(struct sim *sim, struct message *message);
struct message *message_new(enum message_kind kind, struct site *site);
void store_wake(struct sim *sim);
void store_turn(struct sim *sim);
void store_commit(struct sim *sim);
void store_tell_endpoint(struct sim *sim, struct site *site);
void store_forget_all(struct sim *sim);
void store_take_reply(struct sim *sim);

/* After every step: the sums, the lanes that the step touched and one more; all lanes every
 * options.check_every steps (0: nothing of all that). */
void sim_check(struct sim *sim);

/* After the scheduler has run: nothing is left that could be done. */
void sim_check_ran(struct sim *sim);

/* ---- scenarios ------------------------------------------------------------------------------- */

struct scenario {
    const char *name, *property;
    void (*run)(const struct scenario *scenario, const struct options *options);
};

extern const struct scenario scenarios[];

void scenario_hung_from_start(const struct scenario *scenario, const struct options *options);
void scenario_hung_later(const struct scenario *scenario, const struct options *options);
void scenario_hung_busy(const struct scenario *scenario, const struct options *options);
void scenario_hung_partly(const struct scenario *scenario, const struct options *options);
void scenario_many_new_hung(const struct scenario *scenario, const struct options *options);
void scenario_flapping(const struct scenario *scenario, const struct options *options);
void scenario_host_down(const struct scenario *scenario, const struct options *options);
void scenario_host_crowded(const struct scenario *scenario, const struct options *options);

/* A number in a world that is options.scale times smaller. */
int sim_scaled(const struct options *options, int number);

struct sim *sim_world(const struct scenario *scenario, const struct options *options, int slots,
                      int sites);

/* A smaller world of the same proportions: an endpoint may still have a twelfth of the slots. */
struct sim *sim_scaled_world(const struct scenario *scenario, const struct options *options,
                             int slots, int sites);

void sim_add_backlog(struct sim *sim, struct site *site, int rows);

/* Prints a scenario's figures. */
void sim_figures(const struct sim *sim, const struct scenario *scenario, const char *format, ...)
    printf_like(3, 4);

enum { SIM_SLOTS = 256, OUTAGE_MS = 10 * MINUTE, RECOVERY_MAX_MS = 20 * MINUTE };

enum { SHARED_HOST = 1000000 }; /* an origin that sites may share */

#endif
