/* The worlds, and what must be true of each. */

#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

int sim_scaled(const struct options *options, int number) {
    return (number + options->scale - 1) / options->scale;
}

void sim_figures(const struct sim *sim, const struct scenario *scenario, const char *format, ...) {
    va_list arguments;
    printf("%-12s seed %llu: ", scenario->name, (unsigned long long)sim->options.seed);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(" (%lld events)\n", (long long)sim->steps);
    fflush(stdout);
}

struct sim *sim_world(const struct scenario *scenario, const struct options *options, int slots,
                      int sites) {
    return sim_new(scenario->name, options, slots, sites);
}

struct sim *sim_scaled_world(const struct scenario *scenario, const struct options *options,
                             int slots, int sites) {
    struct sim *sim = sim_world(scenario, options, sim_scaled(options, slots), sites);
    sim->policy.lane.endpoint_max_in_flight = sim_scaled(options, 20);
    return sim;
}

void sim_add_backlog(struct sim *sim, struct site *site, int rows) {
    for (int i = 0; i < rows; i++)
        sim_insert(sim, site, 0);
}

/* ---- P2: slot-time is shared evenly ---------------------------------------------------------- */

/* Jain's index: 1 when all have the same, 1/n when one has all. */
static double jain(const struct sim *sim) {
    double sum = 0, squares = 0;
    for (int i = 0; i < sim->n_sites; i++) {
        double x = (double)sim->sites[i].slot_us;
        sum += x;
        squares += x * x;
    }
    return sum * sum / (sim->n_sites * squares);
}

/* The first third takes 10 ms a call, the second 100 ms, the last 1 s. */
static void shared_evenly(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, 32, 45);
    for (int i = 0; i < 45; i++) {
        static const int64_t latencies[] = {10, 100, 1000};
        struct site *site = sim_add_site(sim);
        site->receiver.latency_ms = latencies[i / 15];
        site->refill = true;
        sim_add_backlog(sim, site, 100);
    }
    sim_start(sim);
    sim->measure_from_us = sim->now_us + 20 * SECOND * US_PER_MS;
    sim->measure_until_us = sim->now_us + (20 + 240 / options->scale) * SECOND * US_PER_MS;
    sim_go(sim, (30 + 240 / options->scale) * SECOND);
    double index = jain(sim), share[3] = {0}, all = 0;
    for (int i = 0; i < 45; i++) {
        share[i / 15] += (double)sim->sites[i].slot_us;
        all += (double)sim->sites[i].slot_us;
    }
    sim_figures(sim, scenario,
                "Jain %.4f; slot-time of the 10 ms, 100 ms, 1 s thirds %.0f, %.0f, %.0f %%", index,
                100 * share[0] / all, 100 * share[1] / all, 100 * share[2] / all);
    if (index <= 0.95)
        sim_fail(sim, "Jain index %.4f", index);
    sim_free(sim);
}

/* ---- P3: an outage of all -------------------------------------------------------------------- */

enum { OUTAGE_CALLS_MAX = 5 + 20 + 6 };

/* While it lasts, attempts are not burned: those that open the breaker, those under way when it
 * opens, and a probe at 30 s, 60 s, 120 s, … After it, everything ends within twice the longest
 * time that a breaker may then be open. That no bound is exceeded is checked after each step. */
static void outage_of_all(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_scaled_world(scenario, options, SIM_SLOTS, sim_scaled(options, 500));
    int most = 0, before;
    for (int i = 0; i < sim_scaled(options, 500); i++) {
        struct site *site = sim_add_site(sim);
        site->per_second = 0.2;
        site->receiver.outage_kind = i % 2 ? RECEIVER_HANGING : RECEIVER_REFUSING;
        site->receiver.outage_from = 61 * SECOND;
        site->receiver.outage_ms = OUTAGE_MS;
    }
    sim_start(sim);
    sim_go(sim, MINUTE + OUTAGE_MS);
    for (int i = 0; i < sim->n_sites; i++) {
        struct site *site = &sim->sites[i];
        most = site->refused + site->calls > most ? site->refused + site->calls : most;
    }
    before = (int)(sim->n_rows - sim->n_ended);
    int64_t took_ms = sim_drain(sim, RECOVERY_MAX_MS);
    sim_figures(sim, scenario,
                "at most %d calls an endpoint in the outage; %d rows drained in %lld s", most,
                before, (long long)(took_ms / SECOND));
    if (most > OUTAGE_CALLS_MAX)
        sim_fail(sim, "%d calls to an endpoint that was down", most);
    sim_assert(sim, sim->ended[ROW_DELIVERED] == sim->n_rows);
    sim_free(sim);
}

/* ---- P4: as fast as the receiver allows ------------------------------------------------------ */

static const struct { int most, window_s; } limits[] = {{20, 1}, {100, 10}, {600, 60}, {300, 60}};

enum { LIMITS = sizeof limits / sizeof *limits };

/* Calls, those answered with 429 included, and deliveries, both within 20 % of the limit. */
static void throttled(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, 64, LIMITS);
    char text[300] = "";
    int used = 0, sent[LIMITS], delivered[LIMITS], wrong = -1;
    for (int i = 0; i < LIMITS; i++) {
        struct site *site = sim_add_site(sim);
        site->receiver = (struct receiver){.kind = RECEIVER_LIMITED,
                                           .latency_ms = 50,
                                           .most = limits[i].most,
                                           .window_ms = limits[i].window_s * SECOND};
        site->refill = true;
        sim_add_backlog(sim, site, 1000);
    }
    sim_start(sim);
    sim_go(sim, 59 * SECOND); /* to the end of a window of any length */
    for (int i = 0; i < LIMITS; i++) {
        sent[i] = sim->sites[i].sent;
        delivered[i] = sim->sites[i].delivered;
    }
    sim_go(sim, 600 * SECOND);
    for (int i = 0; i < LIMITS; i++) {
        double limit = (double)limits[i].most / limits[i].window_s;
        double calls = (sim->sites[i].sent - sent[i]) / 600.0 / limit;
        double good = (sim->sites[i].delivered - delivered[i]) / 600.0 / limit;
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "%s%d in %d s: %.0f %% (%.0f %%)",
                     i ? ", " : "", limits[i].most, limits[i].window_s, 100 * good, 100 * calls);
        if (good < 0.8 || good > 1.2 || calls > 1.2)
            wrong = i;
    }
    sim_figures(sim, scenario, "delivered (called) of the limit: %s", text);
    if (wrong >= 0)
        sim_fail(sim, "the limit of %d in %d s", limits[wrong].most, limits[wrong].window_s);
    sim_free(sim);
}

enum { CROWD_MOST = 8, CROWD_REFUSED_MAX_PERCENT = 15, CROWD_USED_MIN_PERCENT = 60 };

/* A receiver that says nothing of when, and fails what it has no room for. */
static void crowded(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, 64, 1);
    struct site *site = sim_add_site(sim);
    site->receiver =
        (struct receiver){.kind = RECEIVER_CROWDED, .latency_ms = 50, .most = CROWD_MOST};
    site->refill = true;
    sim_add_backlog(sim, site, 1000);
    sim_start(sim);
    sim_go(sim, 120 * SECOND);
    int refused = 100 * site->refused / site->sent;
    int used = (int)((int64_t)site->delivered * 50 * 100 / (120 * SECOND * CROWD_MOST));
    sim_figures(sim, scenario, "%d %% of the calls refused, %d %% of its room used", refused, used);
    if (refused > CROWD_REFUSED_MAX_PERCENT)
        sim_fail(sim, "%d %% of the calls refused", refused);
    if (used < CROWD_USED_MIN_PERCENT)
        sim_fail(sim, "%d %% of the room used", used);
    sim_free(sim);
}

enum { HEAVY_LIMIT = 100, HEAVY_USED_MIN_PERCENT = 75 };

/* A receiver some of whose calls take long, though it is well: most of its room is used. */
static void heavy_tailed(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, SIM_SLOTS, 1);
    struct site *site = sim_add_site(sim);
    site->receiver = (struct receiver){.kind = RECEIVER_HEAVY, .latency_ms = 20};
    site->max_in_flight = HEAVY_LIMIT;
    site->refill = true;
    sim_add_backlog(sim, site, 1000);
    sim_start(sim);
    sim->measure_from_us = sim->now_us + 10 * SECOND * US_PER_MS;
    sim_go(sim, 70 * SECOND);
    int used = (int)(site->slot_us * 100 / (INT64_C(60) * SECOND * US_PER_MS * HEAVY_LIMIT));
    sim_figures(sim, scenario, "%d %% of its room used", used);
    if (used < HEAVY_USED_MIN_PERCENT)
        sim_fail(sim, "%d %% of the room used", used);
    sim_free(sim);
}

/* ---- P5: nothing is lost --------------------------------------------------------------------- */

static void check_nothing_lost(struct sim *sim) {
    for (int64_t i = 0; i < sim->n_rows; i++) {
        const struct row *row = sim->rows[i];
        sim_assert(sim, row->status != ROW_PENDING && !row->handed_out && !row->flying);
    }
    if (sim->duplicates > sim->duplicates_allowed)
        sim_fail(sim, "%lld duplicates, %lld allowed", (long long)sim->duplicates,
                 (long long)sim->duplicates_allowed);
}

static struct sim *small_world(const struct scenario *scenario, const struct options *options) {
    static const struct receiver receivers[] = {
        {.latency_ms = 20},
        {.latency_ms = 5},
        {.kind = RECEIVER_FLAKY, .latency_ms = 20, .fail_percent = 30},
        {.kind = RECEIVER_LIMITED, .latency_ms = 5, .most = 2, .window_ms = 1000},
        {.kind = RECEIVER_GONE, .latency_ms = 5},
    };
    struct sim *sim = sim_world(scenario, options, 4, 5);
    for (int i = 0; i < 5; i++) {
        struct site *site = sim_add_site(sim);
        site->receiver = receivers[i];
        site->ordered = i == 1;
        sim_add_backlog(sim, site, 8);
    }
    sim_start(sim);
    return sim;
}

/* The same world over and over, killed one event later each time. */
static void killed_anywhere(const struct scenario *scenario, const struct options *options) {
    struct options killed = *options;
    int64_t duplicates = 0, steps = 0;
    bool once = options->kill_at >= 0;
    for (killed.kill_at = once ? options->kill_at : 1;; killed.kill_at++) {
        struct sim *sim = small_world(scenario, &killed);
        sim_drain(sim, 24 * HOUR);
        check_nothing_lost(sim);
        steps += sim->steps;
        duplicates += sim->duplicates;
        bool last = once || !sim->kills;
        if (last) {
            sim->steps = steps;
            sim_figures(sim, scenario,
                        "killed after each of %lld events: nothing lost, %lld duplicates",
                        (long long)(killed.kill_at - 1), (long long)duplicates);
        }
        sim_free(sim);
        if (last)
            return;
    }
}

static struct receiver any_receiver(struct sim *sim) {
    struct receiver receiver = {.latency_ms = 1 + sim_below(sim, 200),
                                .fail_percent = (int)sim_below(sim, 60),
                                .most = 1 + (int)sim_below(sim, 20),
                                .window_ms = (1 + sim_below(sim, 10)) * SECOND,
                                .kind = (enum receiver_kind)sim_below(sim, RECEIVER_GONE + 1)};
    if (sim_below(sim, 3) == 0) {
        receiver.outage_kind = (enum receiver_kind)sim_below(sim, RECEIVER_GONE);
        receiver.outage_from = sim_below(sim, MINUTE);
        receiver.outage_every = MINUTE + sim_below(sim, MINUTE);
        receiver.outage_ms = sim_below(sim, receiver.outage_every);
    }
    return receiver;
}

static void add_any_site(struct sim *sim) {
    struct site *site = sim_add_site(sim);
    site->receiver = any_receiver(sim);
    site->per_second = (double)(1 + sim_below(sim, 20)) / 10;
    site->named = sim_below(sim, 4) != 0;
    if (sim_below(sim, 3) == 0)
        site->origin = SHARED_HOST + sim_below(sim, 4);
    site->ordered = sim_below(sim, 8) == 0;
    site->max_in_flight = sim_below(sim, 4) ? 0 : 1 + (int)sim_below(sim, 30);
    site->rate_limit = sim_below(sim, 6) ? 0 : (double)(1 + sim_below(sim, 50));
    site->expire_ms = sim_below(sim, 6) ? 0 : SECOND + sim_below(sim, 10 * MINUTE);
    sim_add_backlog(sim, site, sim_below(sim, 4) ? 0 : 500);
}

/* All kinds of receivers at once, a store that is locked at times, and a kill every now and then;
 * in the end all receivers are well. */
static void everything(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_scaled_world(scenario, options, 128, sim_scaled(options, 300));
    for (int i = 0; i < sim_scaled(options, 300); i++)
        add_any_site(sim);
    sim->policy.max_idle = 10;
    sim->lock_every_ms = 20 * SECOND;
    sim->turn_most_us = 20 * US_PER_MS;
    sim_start(sim);
    for (int i = 0; i < 40; i++) {
        sim_go(sim, sim_below(sim, 30 * SECOND));
        sim->sites[sim_below(sim, sim->n_sites)].receiver = any_receiver(sim);
        sim_kill(sim);
    }
    for (int i = 0; i < sim->n_sites; i++)
        sim->sites[i].receiver = (struct receiver){.latency_ms = 50};
    int64_t took_ms = sim_drain(sim, 72 * HOUR);
    check_nothing_lost(sim);
    sim_figures(sim, scenario,
                "%lld rows: %d delivered, %d failed, %d expired; %lld kills, %lld duplicates "
                "(%lld allowed), %lld lanes dropped; drained in %lld min",
                (long long)sim->n_rows, sim->ended[ROW_DELIVERED], sim->ended[ROW_FAILED],
                sim->ended[ROW_EXPIRED], (long long)sim->kills, (long long)sim->duplicates,
                (long long)sim->duplicates_allowed, (long long)sim->forgotten,
                (long long)(took_ms / MINUTE));
    sim_free(sim);
}

/* ---- P6: memory does not grow with the backlog ----------------------------------------------- */

struct memory_figures {
    int64_t loaded, bytes; /* on average */
    size_t lanes, timers, ready;
};

static struct memory_figures run_backlog(const struct scenario *scenario,
                                         const struct options *options, int rows) {
    struct sim *sim = sim_world(scenario, options, 64, 200);
    for (int i = 0; i < 200; i++)
        sim_add_backlog(sim, sim_add_site(sim), rows);
    sim_start(sim);
    sim_go(sim, 40 * SECOND / options->scale);
    const struct scheduler *scheduler = &sim->scheduler;
    struct memory_figures mean = {sim->loaded_sum / sim->steps, sim->bytes_sum / sim->steps,
                                  scheduler->lanes.by_id.capacity, scheduler->lanes.timers.capacity,
                                  scheduler->lanes.ready.capacity};
    sim_figures(
        sim, scenario,
        "%lld rows pending of %lld; in memory on average %lld rows and %lld KiB, at most %d "
        "rows and %lld KiB",
        (long long)(sim->n_rows - sim->n_ended), (long long)sim->n_rows, (long long)mean.loaded,
        (long long)(mean.bytes / 1024), sim->loaded_most, (long long)(sim->bytes_most / 1024));
    for (int i = 0; i < 200; i++) /* or the figures say nothing */
        sim_assert(sim, heap_first(&sim->sites[i].rows));
    sim_free(sim);
    return mean;
}

/* The average is compared: how many loads meet in one moment, and so the most, is chance (39 or 50
 * of 64, with either backlog). The most is held against the policy's bounds after every step. */
enum { MEMORY_MAX_PERCENT = 115 };

static void memory_is_flat(const struct scenario *scenario, const struct options *options) {
    int rows = 400 / options->scale;
    struct memory_figures one = run_backlog(scenario, options, rows);
    struct memory_figures ten = run_backlog(scenario, options, rows * 10);
    bool flat = ten.loaded * 100 <= one.loaded * MEMORY_MAX_PERCENT &&
                ten.bytes * 100 <= one.bytes * MEMORY_MAX_PERCENT && ten.lanes == one.lanes &&
                ten.timers == one.timers && ten.ready == one.ready;
    if (!flat) {
        fprintf(stderr, "FAILED %s: memory grew with the backlog\n", scenario->name);
        exit(1);
    }
}

const struct scenario scenarios[] = {
    {"hung", "P1: hung endpoints with backlogs, healthy p99 wait < 100 ms",
     scenario_hung_from_start},
    {"hung-later", "P1: healthy endpoints begin to hang, others' p99 wait < 100 ms",
     scenario_hung_later},
    {"hung-busy", "P1: busy endpoints begin to hang, others' p99 wait < 100 ms",
     scenario_hung_busy},
    {"hung-partly", "P1: endpoints hang with a part of their calls, others' p99 wait < 100 ms",
     scenario_hung_partly},
    {"hung-new", "P1: more new hung endpoints than slots, p99 wait < 100 ms",
     scenario_many_new_hung},
    {"flapping", "P1: endpoints hang, recover, hang, others' p99 wait < 100 ms", scenario_flapping},
    {"host-down", "P1: a host of many endpoints is down: few calls find it out",
     scenario_host_down},
    {"host-slow", "P1: a host of many endpoints is slow: its share, evenly used",
     scenario_host_crowded},
    {"fair", "P2: Jain index of the slot-time > 0.95", shared_evenly},
    {"outage", "P3: an outage of all: no attempts burned, caps kept, drained", outage_of_all},
    {"throttled", "P4: 429 with Retry-After: the receiver's rate, within 20 %", throttled},
    {"crowded", "P4: failures when too many at once: few refused, room used", crowded},
    {"heavy", "P4: a receiver with a heavy tail: most of its room used", heavy_tailed},
    {"killed", "P5: a kill after any event: nothing lost, few duplicates", killed_anywhere},
    {"everything", "P5: all at once, with locks and kills: every row ends once", everything},
    {"memory", "P6: ten times the backlog, the same memory", memory_is_flat},
    {NULL, NULL, NULL},
};
