/* The event loop: traffic, calls, the scheduler's edges, kills. */

#include "sim.h"

#include "outhook/base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

enum { RUN_BUDGET = 256, LOCK_MOST_MS = 3 * SECOND };

/* ---- small things ---------------------------------------------------------------------------- */

int64_t sim_below(struct sim *sim, int64_t bound) {
    return random_below(&sim->random, bound);
}

void sim_schedule(struct sim *sim, struct event *event, int64_t at_us) {
    heap_push(&sim->events, &event->node, at_us, sim->next_event++);
}

void sim_touch(struct sim *sim, struct site *site) {
    if (sim->n_touched < TOUCHED_MAX)
        sim->touched[sim->n_touched++] = site;
}

struct row *sim_row(struct sim *sim, int64_t id) {
    sim_assert(sim, id >= 1 && id <= sim->n_rows);
    return sim->rows[id - 1];
}

static struct site *sim_site(struct sim *sim, int64_t id) {
    sim_assert(sim, id >= 1 && id <= sim->n_sites);
    return &sim->sites[id - 1];
}

void sim_trace(struct sim *sim, const char *what, const struct site *site, int64_t row,
               int64_t number) {
    sim->trace[sim->traced++ % TRACE_LENGTH] =
        (struct trace){sim->now_us, what, site ? site->id : 0, row, number};
}

void sim_fail(struct sim *sim, const char *format, ...) {
    int64_t from = sim->traced > TRACE_LENGTH ? sim->traced - TRACE_LENGTH : 0;
    va_list arguments;
    fflush(stdout);
    for (int64_t i = from; i < sim->traced; i++) {
        const struct trace *trace = &sim->trace[i % TRACE_LENGTH];
        fprintf(stderr, "  %10.3f ms  %-9s site %lld row %lld (%lld)\n",
                (double)trace->at_us / US_PER_MS, trace->what, (long long)trace->site,
                (long long)trace->row, (long long)trace->number);
    }
    fprintf(stderr, "FAILED %s, step %lld: ", sim->scenario, (long long)sim->steps);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nagain: sim --scenario %s --seed %llu --scale %d --check-every %d",
            sim->scenario, (unsigned long long)sim->options.seed, sim->options.scale,
            sim->options.check_every);
    if (sim->options.kill_at >= 0)
        fprintf(stderr, " --kill-at %lld", (long long)sim->options.kill_at);
    fputc('\n', stderr);
    exit(1);
}

/* ---- what the scheduler asks for ------------------------------------------------------------- */

static void on_load(void *context, int64_t endpoint_id, int rows, int64_t bytes) {
    struct sim *sim = context;
    struct site *site = sim_site(sim, endpoint_id);
    struct message *message = message_new(ASK_LOAD, site);
    sim_touch(sim, site);
    sim_trace(sim, "load", site, 0, rows);
    sim_assert(sim, rows >= 1 && rows <= LOADED_MAX && bytes > 0);
    message->count = rows;
    message->bytes = bytes;
    sim->n_loads++;
    sim->n_loaded += rows;
    sim->bytes_loaded += bytes;
    store_ask(sim, message);
}

static void on_forget(void *context, int64_t endpoint_id) {
    struct sim *sim = context;
    struct site *site = sim_site(sim, endpoint_id);
    sim_trace(sim, "forget", site, 0, 0);
    sim_assert(sim, !site->calls && !site->named);
    sim->forgotten++;
    store_ask(sim, message_new(ASK_FORGET, site));
}

static void on_release(void *context, struct delivery *delivery) {
    struct sim *sim = context;
    struct row *row = sim_row(sim, delivery->id);
    struct message *message = message_new(ASK_RELEASE, row->site);
    sim_touch(sim, row->site);
    sim_trace(sim, "release", row->site, row->id, 0);
    sim_assert(sim, row->handed_out && !row->flying);
    message->id = row->id;
    sim->n_loaded--;
    sim->bytes_loaded -= (int64_t)delivery->payload_bytes;
    store_ask(sim, message);
    delivery_free(delivery);
}

static void ask_write(struct sim *sim, struct delivery *delivery, enum row_status fate,
                      const struct completion *completion) {
    struct message *message = message_new(ASK_WRITE, sim_row(sim, delivery->id)->site);
    message->delivery = delivery;
    message->fate = fate;
    message->attempted = completion != NULL;
    message->due_at = completion ? completion->decision.due_at : 0;
    message->disable = completion && completion->disable_endpoint;
    sim->n_unwritten++;
    sim->bytes_loaded -= (int64_t)delivery->payload_bytes;
    store_ask(sim, message);
}

static void on_expire(void *context, struct delivery *delivery) {
    struct sim *sim = context;
    struct row *row = sim_row(sim, delivery->id);
    sim_touch(sim, row->site);
    sim_trace(sim, "expire", row->site, row->id, 0);
    sim_assert(sim, delivery->expires_at <= sim->now.wall_ms);
    sim_assert(sim, row->handed_out && !row->flying);
    ask_write(sim, delivery, ROW_EXPIRED, NULL);
}

static void sim_measure_wait(struct sim *sim, const struct row *row, const struct site *site) {
    int64_t wait_ms = sim->now.wall_ms - row->due_at;
    if (row->attempts || sim->now_us < sim->measure_from_us || site->group > 1)
        return;
    sim->waits[site->group][wait_ms < 0 ? 0 : wait_ms >= WAIT_MAX_MS ? WAIT_MAX_MS - 1 : wait_ms]++;
}

static void on_send(void *context, struct delivery *delivery) {
    struct sim *sim = context;
    struct row *row = sim_row(sim, delivery->id);
    struct site *site = row->site;
    struct event *call = new (struct event);
    sim_touch(sim, site);
    sim_assert(sim, row->status == ROW_PENDING && row->handed_out);
    sim_assert(sim, !row->flying); /* never twice at once */
    sim_assert(sim, delivery->expires_at > sim->now.wall_ms);
    sim_assert(sim, !site->ordered || !site->calls);
    call->kind = EVENT_CALL;
    call->site = site;
    call->delivery = delivery;
    call->began_us = sim->now_us;
    call->outcome = receiver_answer(&site->receiver, &sim->random, sim->now.mono_ms, site->calls);
    sim_trace(sim, "send", site, row->id, call->outcome.verdict);
    if (call->outcome.verdict == VERDICT_DELIVERED && row->received++)
        sim->duplicates++;
    sim_measure_wait(sim, row, site);
    row->flying = true;
    sim->sends++;
    sim->n_calls++;
    sim->n_unproven += delivery->unproven;
    site->sent++;
    if (++site->calls > site->calls_most)
        site->calls_most = site->calls;
    sim_schedule(sim, call, sim->now_us + call->outcome.duration_ms * US_PER_MS);
}

const struct scheduler_ops sim_ops = {
    .load = on_load,
    .send = on_send,
    .expire = on_expire,
    .forget = on_forget,
    .release = on_release,
};

/* ---- events ---------------------------------------------------------------------------------- */

static void sim_count_call(struct sim *sim, const struct event *call) {
    struct site *site = call->site;
    int64_t from = call->began_us > sim->measure_from_us ? call->began_us : sim->measure_from_us;
    int64_t until = sim->now_us < sim->measure_until_us ? sim->now_us : sim->measure_until_us;
    if (until > from)
        site->slot_us += until - from;
    site->delivered += call->outcome.verdict == VERDICT_DELIVERED;
    site->refused += call->outcome.verdict != VERDICT_DELIVERED;
}

static void sim_end_call(struct sim *sim, struct event *call) {
    static const enum row_status fates[] = {
        [RETRY_AGAIN] = ROW_PENDING, [RETRY_FAILED] = ROW_FAILED, [RETRY_EXPIRED] = ROW_EXPIRED};
    struct delivery *delivery = call->delivery;
    bool delivered = call->outcome.verdict == VERDICT_DELIVERED;
    sim_touch(sim, call->site);
    sim_trace(sim, "ended", call->site, delivery->id, call->outcome.verdict);
    sim_count_call(sim, call);
    call->site->calls--;
    sim->n_calls--;
    sim->n_unproven -= delivery->unproven;
    sim_row(sim, delivery->id)->flying = false;
    call->outcome.duration_ms = sim->now.mono_ms - delivery->sent_at;
    struct completion completion =
        scheduler_completed(&sim->scheduler, delivery, &call->outcome, sim->now);
    ask_write(sim, delivery, delivered ? ROW_DELIVERED : fates[completion.decision.fate],
              &completion);
    free(call);
}

void sim_insert(struct sim *sim, struct site *site, int64_t due_in_ms) {
    struct row *row = new (struct row);
    if (sim->n_rows == sim->rows_capacity) {
        sim->rows_capacity = sim->rows_capacity ? sim->rows_capacity * 2 : 1024;
        sim->rows = memory_resize(sim->rows, (size_t)sim->rows_capacity, sizeof *sim->rows);
    }
    sim->rows[sim->n_rows++] = row;
    row->id = sim->n_rows;
    row->due_at = sim->now.wall_ms + due_in_ms;
    row->expires_at = site->expire_ms ? row->due_at + site->expire_ms : CLOCK_NEVER;
    row->site = site;
    row->bytes = (size_t)(200 + sim_below(sim, 2000));
    list_init(&row->out);
    list_push(&sim->fresh, &row->fresh);
    heap_push(&site->rows, &row->node, row->due_at, row->id);
    site->messages++;
    store_wake(sim);
}

static void sim_next_arrival(struct sim *sim, struct site *site) {
    double even = ((double)sim_below(sim, 1000000) + 1) / 1000001;
    int64_t gap_us = (int64_t)(-log(even) / site->per_second * 1e6);
    sim_schedule(sim, &site->arrival, sim->now_us + gap_us);
}

static void sim_arrive(struct sim *sim, struct site *site) {
    if (sim->arrivals_stopped)
        return;
    sim_insert(sim, site, 0);
    sim_next_arrival(sim, site);
}

static void sim_lock(struct sim *sim) {
    sim->locked_until_us = sim->now_us + (1 + sim_below(sim, LOCK_MOST_MS)) * US_PER_MS;
    sim_trace(sim, "lock", NULL, 0, sim->locked_until_us / US_PER_MS);
    sim_schedule(sim, &sim->lock,
                 sim->locked_until_us + sim_below(sim, sim->lock_every_ms * 2) * US_PER_MS);
}

static void sim_enable(struct sim *sim, struct site *site) {
    site->enabled = true;
    site->receiver = (struct receiver){.latency_ms = 50};
    if (site->id <= sim->booted)
        store_tell_endpoint(sim, site);
}

static void sim_set_timer(struct sim *sim) {
    int64_t wake_at = scheduler_wake_at(&sim->scheduler);
    int64_t at_us = wake_at == CLOCK_NEVER ? CLOCK_NEVER : wake_at * US_PER_MS;
    if (sim->wake.node.place && sim->wake.node.key == at_us)
        return;
    heap_remove(&sim->events, &sim->wake.node);
    if (at_us != CLOCK_NEVER)
        sim_schedule(sim, &sim->wake, at_us);
}

static void sim_run_scheduler(struct sim *sim) {
    int turns = 0;
    while (scheduler_run(&sim->scheduler, sim->now, RUN_BUDGET))
        sim_assert(sim, turns++ < 10000); /* a circle */
    sim_check_ran(sim);
    sim_set_timer(sim);
}

static void sim_handle(struct sim *sim, struct event *event) {
    switch (event->kind) {
    case EVENT_ARRIVAL:
        sim_arrive(sim, event->site);
        break;
    case EVENT_CALL:
        sim_end_call(sim, event);
        sim_run_scheduler(sim);
        break;
    case EVENT_STORE:
        store_turn(sim);
        break;
    case EVENT_COMMIT:
        store_commit(sim);
        break;
    case EVENT_REPLY:
        store_take_reply(sim);
        sim_run_scheduler(sim);
        break;
    case EVENT_WAKE:
        sim_run_scheduler(sim);
        break;
    case EVENT_LOCK:
        sim_lock(sim);
        break;
    case EVENT_ENABLE:
        sim_enable(sim, event->site);
        break;
    }
}

static void sim_set_time(struct sim *sim, int64_t now_us) {
    int64_t passed_ms = now_us / US_PER_MS - sim->now.mono_ms;
    sim->now_us = now_us;
    sim->now.mono_ms += passed_ms;
    sim->now.wall_ms += passed_ms;
}

void sim_step(struct sim *sim) {
    struct heap_node *first = heap_first(&sim->events);
    sim_assert(sim, first); /* nothing will ever happen again */
    sim_set_time(sim, first->key);
    heap_remove(&sim->events, first);
    sim->n_touched = 0;
    sim_handle(sim, container_of(first, struct event, node));
    sim_check(sim);
    sim->steps++;
    if (sim->steps == sim->options.kill_at)
        sim_kill(sim);
}

void sim_go(struct sim *sim, int64_t ms) {
    int64_t until_us = sim->now_us + ms * US_PER_MS;
    struct heap_node *first;
    while ((first = heap_first(&sim->events)) && first->key <= until_us)
        sim_step(sim);
    sim_set_time(sim, until_us);
}

int64_t sim_drain(struct sim *sim, int64_t ms) {
    int64_t from_us = sim->now_us;
    sim->arrivals_stopped = true;
    while (sim->n_ended < sim->n_rows || !list_empty(&sim->told)) {
        sim_step(sim);
        if (sim->now_us > from_us + ms * US_PER_MS)
            sim_fail(sim, "%lld of %lld rows have not ended after %lld ms",
                     (long long)(sim->n_rows - sim->n_ended), (long long)sim->n_rows,
                     (long long)ms);
    }
    sim_assert(sim,
               sim->scheduler.lanes.loader.n_rows == 0 && sim->scheduler.lanes.loader.bytes == 0);
    return (sim->now_us - from_us) / US_PER_MS;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void sim_boot(struct sim *sim) {
    scheduler_init(&sim->scheduler, &sim_ops, sim, &sim->policy, random_next(&sim->random));
    store_wake(sim);
}

/* Ends all that belongs to the process; the world outside goes on. */
static void sim_lose_process(struct sim *sim) {
    for (size_t i = 0; i < sim->events.count;) {
        struct event *event = container_of(sim->events.nodes[i], struct event, node);
        if (event->kind != EVENT_CALL) {
            i++;
            continue;
        }
        heap_remove(&sim->events, &event->node); /* another one takes its place */
        free(event);
        i = 0;
    }
    heap_remove(&sim->events, &sim->store.node);
    heap_remove(&sim->events, &sim->commit.node);
    heap_remove(&sim->events, &sim->reply.node);
    heap_remove(&sim->events, &sim->wake.node);
    scheduler_free(&sim->scheduler); /* with the deliveries of calls under way */
    store_forget_all(sim);
    sim->n_calls = sim->n_unproven = sim->n_unwritten = sim->n_loads = sim->n_loaded = 0;
    sim->bytes_loaded = 0;
}

void sim_kill(struct sim *sim) {
    sim_trace(sim, "kill", NULL, 0, sim->kills);
    sim->kills++;
    sim->duplicates_allowed += sim->scheduler.slots.n_flying + sim->scheduler.slots.n_unwritten;
    sim_lose_process(sim);
    sim_boot(sim);
}

struct sim *sim_new(const char *scenario, const struct options *options, int slots, int sites) {
    struct sim *sim = new (struct sim);
    sim->scenario = scenario;
    sim->options = *options;
    sim->random = (struct random){options->seed};
    sim->now_us = 1000 * US_PER_MS;
    sim->now = (struct now){.mono_ms = 1000, .wall_ms = 1700000000000};
    sim->measure_until_us = CLOCK_NEVER;
    sim->turn_most_us = 200;
    sim->schedule = (struct durations){.count = 5, .ms = {10000, 60000, 300000, 1800000, 3600000}};
    sim->policy = (struct scheduler_policy){
        .slots = {.max_in_flight = slots, .max_unwritten = slots},
        .load = {.max_rows = 20000, .max_bytes = 64 << 20},
        .max_idle = sites,
        .lane = {.endpoint_max_in_flight = 20,
                 .share_max = (slots + 1) / 2,
                 .breaker = {.failures = 5, .open_ms = 30 * SECOND, .open_max_ms = 30 * MINUTE}},
        .retry = {.schedule = &sim->schedule,
                  .max_attempts = 16,
                  .jitter_percent = 20,
                  .retry_after_max_ms = HOUR},
    };
    sim->sites = memory_new((size_t)sites, sizeof *sim->sites);
    sim->sites_capacity = sites;
    for (int i = 0; i < 2; i++)
        sim->waits[i] = memory_new(WAIT_MAX_MS, sizeof **sim->waits);
    list_init(&sim->fresh);
    list_init(&sim->handed_out);
    list_init(&sim->asked);
    list_init(&sim->told);
    list_init(&sim->uncommitted);
    sim->store.kind = EVENT_STORE;
    sim->commit.kind = EVENT_COMMIT;
    sim->reply.kind = EVENT_REPLY;
    sim->wake.kind = EVENT_WAKE;
    sim->lock.kind = EVENT_LOCK;
    return sim;
}

struct site *sim_add_site(struct sim *sim) {
    sim_assert(sim, sim->n_sites < sim->sites_capacity);
    struct site *site = &sim->sites[sim->n_sites++];
    *site = (struct site){
        .id = sim->n_sites,
        .origin = sim->n_sites,
        .named = true,
        .enabled = true,
        .receiver = {.latency_ms = 50},
        .arrival = {.kind = EVENT_ARRIVAL, .site = site},
        .enable = {.kind = EVENT_ENABLE, .site = site},
    };
    return site;
}

void sim_start(struct sim *sim) {
    for (int i = 0; i < sim->n_sites; i++)
        if (sim->sites[i].per_second > 0)
            sim_next_arrival(sim, &sim->sites[i]);
    if (sim->lock_every_ms)
        sim_schedule(sim, &sim->lock,
                     sim->now_us + sim_below(sim, sim->lock_every_ms * 2) * US_PER_MS);
    sim_boot(sim);
}

void sim_free(struct sim *sim) {
    sim_lose_process(sim);
    for (int64_t i = 0; i < sim->n_rows; i++)
        free(sim->rows[i]);
    for (int i = 0; i < sim->n_sites; i++)
        heap_free(&sim->sites[i].rows);
    heap_free(&sim->events);
    free(sim->rows);
    free(sim->sites);
    free(sim->waits[0]);
    free(sim->waits[1]);
    free(sim);
}

int64_t sim_wait(const struct sim *sim, int group, int permille) {
    int64_t all = 0, seen = 0;
    for (int ms = 0; ms < WAIT_MAX_MS; ms++)
        all += sim->waits[group][ms];
    for (int ms = 0; ms < WAIT_MAX_MS; ms++)
        if ((seen += sim->waits[group][ms]) * 1000 >= all * permille)
            return ms;
    return WAIT_MAX_MS;
}
