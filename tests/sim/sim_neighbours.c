/* P1: what endpoints that hang, or share a host, do to the others. */

#include "sim.h"

/* ---- P1: hung endpoints don't hurt the healthy ----------------------------------------------- */

enum { HEALTHY, SICK }; /* groups */

enum { HEALTHY_SITES = 2000, HUNG_SITES = 60, NEW_HUNG_SITES = 300, BACKLOG = 2000 };

enum { WAIT_P99_MAX_MS = 100 };

/* 1 row a second each at 50 ms: 39 % of the slots. */
static void add_healthy(struct sim *sim) {
    for (int i = sim_scaled(&sim->options, HEALTHY_SITES); i > 0; i--)
        sim_add_site(sim)->per_second = 1;
}

static void add_sick(struct sim *sim, int sites, int rows, const struct receiver *receiver) {
    for (int i = sim_scaled(&sim->options, sites); i > 0; i--) {
        struct site *site = sim_add_site(sim);
        site->group = SICK;
        site->per_second = 5;
        site->receiver = *receiver;
        sim_add_backlog(sim, site, rows);
    }
}

static struct sim *hung_world(const struct scenario *scenario, const struct options *options,
                              int sick) {
    struct sim *sim =
        sim_scaled_world(scenario, options, SIM_SLOTS,
                         sim_scaled(options, HEALTHY_SITES) + sim_scaled(options, sick));
    add_healthy(sim);
    return sim;
}

/* All first calls count, from the first moment on. */
static void check_waits(struct sim *sim, const struct scenario *scenario) {
    int64_t p99 = sim_wait(sim, HEALTHY, 990), p999 = sim_wait(sim, HEALTHY, 999);
    int64_t most = sim_wait(sim, HEALTHY, 1000);
    int delivered = 0, rows = 0;
    for (int64_t i = 0; i < sim->n_rows; i++)
        if (sim->rows[i]->site->group == HEALTHY) {
            rows++;
            delivered += sim->rows[i]->received > 0;
        }
    sim_figures(sim, scenario,
                "healthy wait p50 %lld, p99 %lld, p99.9 %lld, most %lld ms; %d of %d delivered",
                (long long)sim_wait(sim, HEALTHY, 500), (long long)p99, (long long)p999,
                (long long)most, delivered, rows);
    if (p99 >= WAIT_P99_MAX_MS)
        sim_fail(sim, "healthy p99 wait %lld ms", (long long)p99);
    if (delivered < rows - rows / 1000) /* but for those that have just come */
        sim_fail(sim, "%d of %d healthy rows delivered", delivered, rows);
}

static const struct receiver hanging = {.kind = RECEIVER_HANGING};

void scenario_hung_from_start(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = hung_world(scenario, options, HUNG_SITES);
    add_sick(sim, HUNG_SITES, sim_scaled(options, BACKLOG), &hanging);
    sim_start(sim);
    sim_go(sim, 120 * SECOND);
    check_waits(sim, scenario);
    sim_free(sim);
}

void scenario_hung_later(const struct scenario *scenario, const struct options *options) {
    const struct receiver receiver = {.latency_ms = 50,
                                      .outage_kind = RECEIVER_HANGING,
                                      .outage_from = 31 * SECOND,
                                      .outage_ms = HOUR};
    struct sim *sim = hung_world(scenario, options, HUNG_SITES);
    add_sick(sim, HUNG_SITES, 0, &receiver);
    sim_start(sim);
    sim_go(sim, 120 * SECOND);
    check_waits(sim, scenario);
    sim_free(sim);
}

enum { BUSY_SITES = 8 };

/* Few, but each with a fifth of the slots' work, so that they swallow much before they are
 * suspected. */
void scenario_hung_busy(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, SIM_SLOTS, HEALTHY_SITES / 2 + BUSY_SITES);
    for (int i = 0; i < HEALTHY_SITES / 2; i++)
        sim_add_site(sim)->per_second = 1;
    for (int i = 0; i < BUSY_SITES; i++) {
        struct site *site = sim_add_site(sim);
        site->group = SICK;
        site->per_second = 200;
        site->max_in_flight = 100;
        site->receiver.outage_kind = RECEIVER_HANGING;
        site->receiver.outage_from = 31 * SECOND;
        site->receiver.outage_ms = HOUR;
    }
    sim_start(sim);
    sim_go(sim, 90 * SECOND);
    check_waits(sim, scenario);
    sim_free(sim);
}

/* One of four servers behind each sick endpoint's address hangs. They have the others, so most of
 * their calls go through. */
void scenario_hung_partly(const struct scenario *scenario, const struct options *options) {
    const struct receiver receiver = {.latency_ms = 50,
                                      .fail_percent = 25,
                                      .outage_kind = RECEIVER_PARTLY,
                                      .outage_from = 31 * SECOND,
                                      .outage_ms = HOUR};
    struct sim *sim = hung_world(scenario, options, HUNG_SITES);
    int delivered = 0, calls = 0;
    add_sick(sim, HUNG_SITES, 0, &receiver);
    sim_start(sim);
    sim_go(sim, 180 * SECOND);
    for (int i = 0; i < sim->n_sites; i++)
        if (sim->sites[i].group == SICK) {
            delivered += sim->sites[i].delivered;
            calls += sim->sites[i].refused;
        }
    sim_figures(sim, scenario, "the sick: %d delivered, %d hung", delivered, calls);
    check_waits(sim, scenario);
    sim_free(sim);
}

/* More than there are slots, and all of them new. */
void scenario_many_new_hung(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = hung_world(scenario, options, NEW_HUNG_SITES);
    struct receiver receiver = hanging;
    int healthy = sim->n_sites;
    add_sick(sim, NEW_HUNG_SITES, 0, &receiver);
    for (int i = healthy; i < sim->n_sites; i++)
        sim->sites[i].per_second = 0;
    sim_start(sim);
    sim_go(sim, 20 * SECOND);
    for (int i = healthy; i < sim->n_sites; i++)
        sim_add_backlog(sim, &sim->sites[i], 100);
    sim_go(sim, 100 * SECOND);
    check_waits(sim, scenario);
    sim_free(sim);
}

/* They earn their slots again and again. */
void scenario_flapping(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = hung_world(scenario, options, HUNG_SITES);
    add_sick(sim, HUNG_SITES, 0, &hanging);
    for (int i = 0; i < sim->n_sites; i++)
        if (sim->sites[i].group == SICK)
            sim->sites[i].receiver =
                (struct receiver){.latency_ms = 50,
                                  .outage_kind = RECEIVER_HANGING,
                                  .outage_from = (5 + sim_below(sim, 40)) * SECOND,
                                  .outage_ms = 15 * SECOND,
                                  .outage_every = 40 * SECOND};
    sim_start(sim);
    sim_go(sim, 180 * SECOND);
    check_waits(sim, scenario);
    sim_free(sim);
}

/* ---- endpoints that share a host ------------------------------------------------------------- */

enum { SHARED_SITES = 200, SHARED_CALLS_MAX = 60 };

static struct site *add_shared(struct sim *sim, double per_second) {
    struct site *site = sim_add_site(sim);
    site->origin = SHARED_HOST;
    site->group = SICK;
    site->per_second = per_second;
    return site;
}

/* When their host goes down, a few of them find that out for all, and one call at a time looks
 * whether it is back. */
void scenario_host_down(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, SIM_SLOTS, SHARED_SITES);
    int calls = 0;
    for (int i = 0; i < SHARED_SITES; i++) {
        struct site *site = add_shared(sim, 0.5);
        site->receiver.outage_kind = i % 2 ? RECEIVER_REFUSING : RECEIVER_HANGING;
        site->receiver.outage_from = 31 * SECOND;
        site->receiver.outage_ms = OUTAGE_MS;
    }
    sim_start(sim);
    sim_go(sim, 30 * SECOND + OUTAGE_MS);
    for (int i = 0; i < SHARED_SITES; i++)
        calls += sim->sites[i].refused + sim->sites[i].calls;
    int64_t took_ms = sim_drain(sim, RECOVERY_MAX_MS);
    sim_figures(sim, scenario, "%d calls to a host that was down; then drained in %lld s", calls,
                (long long)(took_ms / SECOND));
    if (calls > SHARED_CALLS_MAX)
        sim_fail(sim, "%d calls to a host that was down", calls);
    sim_assert(sim, sim->ended[ROW_DELIVERED] == sim->n_rows);
    sim_free(sim);
}

enum { SLOW_CALL_MS = 2000 };

/* A slow host with more endpoints than slots: together they have the share of one, each of them
 * as much of it as the next, and the others don't notice. */
void scenario_host_crowded(const struct scenario *scenario, const struct options *options) {
    struct sim *sim = sim_world(scenario, options, SIM_SLOTS, 2 * SHARED_SITES);
    int least = INT32_MAX, most = 0;
    for (int i = 0; i < SHARED_SITES; i++)
        sim_add_site(sim)->per_second = 2;
    for (int i = 0; i < SHARED_SITES; i++) {
        struct site *site = add_shared(sim, 0);
        site->receiver.latency_ms = SLOW_CALL_MS;
        site->refill = true;
        sim_add_backlog(sim, site, 40);
    }
    sim_start(sim);
    sim->measure_from_us = sim->now_us + 10 * SECOND * US_PER_MS; /* when all have proven able */
    sim_go(sim, 120 * SECOND);
    for (int i = SHARED_SITES; i < 2 * SHARED_SITES; i++) {
        int delivered = sim->sites[i].delivered;
        least = delivered < least ? delivered : least;
        most = delivered > most ? delivered : most;
    }
    check_waits(sim, scenario);
    sim_figures(sim, scenario, "each of %d endpoints was given %d to %d calls", SHARED_SITES, least,
                most);
    if (least * 2 < most)
        sim_fail(sim, "%d calls to one endpoint, %d to another", least, most);
    sim_free(sim);
}
