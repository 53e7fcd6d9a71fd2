/* A store that is a table in memory, with queues, latencies, group commits and a write lock. */

#include "sim.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <stdlib.h>

enum {
    COMMIT_MAX_US = 2000,   /* from the first write to its commit */
    COMMIT_SLOW_US = 30000, /* one in a hundred */
    REPLY_MAX_US = 30,      /* between two replies */
    TURN_REQUESTS_MAX = 64,
    BOOT_PAGE = 500,
    OFFER_BYTES = 64 << 10,
};

struct message *message_new(enum message_kind kind, struct site *site) {
    struct message *message = new (struct message);
    message->kind = kind;
    message->site = site;
    return message;
}

static void message_free(struct message *message) {
    bool loaded = message->kind == TELL_LOADED || message->kind == TELL_OFFERED;
    for (int i = 0; loaded && i < message->count; i++)
        delivery_free(message->rows[i]);
    endpoint_unref(message->endpoint);
    delivery_free(message->delivery);
    free(message);
}

void store_wake(struct sim *sim) {
    if (!sim->store.node.place)
        sim_schedule(sim, &sim->store, sim->now_us + 5 + sim_below(sim, sim->turn_most_us));
}

void store_ask(struct sim *sim, struct message *message) {
    message->site->messages++;
    list_push(&sim->asked, &message->link);
    store_wake(sim);
}

static void store_tell(struct sim *sim, struct message *message) {
    message->site->messages++;
    list_push(&sim->told, &message->link);
    if (!sim->reply.node.place)
        sim_schedule(sim, &sim->reply, sim->now_us + sim_below(sim, REPLY_MAX_US));
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void store_hand_out(struct sim *sim, struct row *row) {
    row->handed_out = true;
    list_push(&sim->handed_out, &row->out);
    heap_remove(&row->site->rows, &row->node);
}

static void store_forget(struct sim *sim, struct row *row) {
    sim_assert(sim, row->handed_out);
    row->handed_out = false;
    list_remove(&row->out);
    heap_remove(&row->site->rows, &row->node);
    if (row->status == ROW_PENDING)
        heap_push(&row->site->rows, &row->node, row->due_at, row->id);
}

static struct delivery *row_delivery(const struct row *row) {
    struct delivery *delivery = delivery_new(0);
    delivery->id = row->id;
    delivery->endpoint_id = row->site->id;
    delivery->due_at = row->due_at;
    delivery->expires_at = row->expires_at;
    delivery->attempts = row->attempts;
    delivery->payload_bytes = row->bytes;
    return delivery;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* queue_load(), in a few lines. */
static void store_load(struct sim *sim, struct site *site, int rows, int64_t bytes) {
    struct message *reply = message_new(TELL_LOADED, site);
    struct heap_node *first;
    reply->due_at = CLOCK_NEVER;
    reply->asked_rows = rows;
    reply->bytes = bytes;
    while ((first = heap_first(&site->rows))) {
        struct row *row = container_of(first, struct row, node);
        bool due = row->due_at <= sim->now.wall_ms, fits = (int64_t)row->bytes <= bytes;
        if (!due || reply->count == rows || !fits) {
            reply->due_at = row->due_at;
            reply->need_bytes = due && !reply->count && !fits ? (int64_t)row->bytes : 0;
            break;
        }
        bytes -= (int64_t)row->bytes;
        store_hand_out(sim, row);
        reply->rows[reply->count++] = row_delivery(row);
    }
    store_tell(sim, reply);
}

/* As the store reads it: of all that is pending, handed out or not. */
static int64_t store_next_due(struct sim *sim, struct site *site) {
    struct heap_node *first = heap_first(&site->rows);
    int64_t due_at = first ? first->key : CLOCK_NEVER;
    for (struct list *link = sim->handed_out.next; link != &sim->handed_out; link = link->next) {
        const struct row *row = container_of(link, struct row, out);
        if (row->site == site && row->due_at < due_at) {
            due_at = row->due_at;
            site->retold = true;
        }
    }
    return due_at;
}

void store_tell_endpoint(struct sim *sim, struct site *site) {
    struct message *message = message_new(TELL_ENDPOINT, site);
    struct endpoint *endpoint = endpoint_new();
    char url[64];
    snprintf(url, sizeof url, "https://receiver%lld.example/", (long long)site->origin);
    endpoint->id = site->id;
    endpoint->name = site->named ? memory_copy_string("a name") : NULL;
    endpoint->url = memory_copy_string(url);
    endpoint->enabled = site->enabled;
    endpoint->ordered = site->ordered;
    endpoint->max_in_flight = site->max_in_flight;
    endpoint->rate_limit = site->rate_limit;
    message->endpoint = endpoint;
    message->due_at = store_next_due(sim, site);
    site->told = true;
    store_tell(sim, message);
}

static void store_boot(struct sim *sim) {
    for (int i = 0; i < BOOT_PAGE && sim->booted < sim->n_sites; i++)
        store_tell_endpoint(sim, &sim->sites[sim->booted++]);
}

static void store_notice(struct sim *sim, struct site *site, int64_t due_at) {
    if (site->looked == sim->looks) {
        if (due_at < site->notice->due_at)
            site->notice->due_at = due_at;
        return;
    }
    site->looked = sim->looks;
    site->notice = message_new(TELL_NOTICED, site);
    site->notice->due_at = due_at;
    store_tell(sim, site->notice);
}

/* Half of the new rows are loaded at once, as if they had been asked for. */
static bool store_offer(struct sim *sim, struct row *row) {
    struct site *site = row->site;
    struct heap_node *first = heap_first(&site->rows);
    struct row *due = first ? container_of(first, struct row, node) : NULL;
    if (!due || due->due_at > sim->now.wall_ms || due->bytes > OFFER_BYTES || sim_below(sim, 2))
        return false;
    struct message *message = message_new(TELL_OFFERED, site);
    message->notice_due = row->due_at;
    store_hand_out(sim, due);
    message->rows[message->count++] = row_delivery(due);
    first = heap_first(&site->rows);
    message->due_at = first ? first->key : CLOCK_NEVER;
    store_tell(sim, message);
    return true;
}

/* Notices what other connections have committed: one notice an endpoint, of its earliest row. */
static void store_look(struct sim *sim) {
    struct list *link;
    sim->looks++;
    while ((link = list_pop(&sim->fresh))) {
        struct row *row = container_of(link, struct row, fresh);
        row->site->messages--;
        if (row->site->id <= sim->booted && !row->site->told)
            store_tell_endpoint(sim, row->site);
        else if (row->site->id <= sim->booted && !store_offer(sim, row)) /* or it will be read
                                                                             with its endpoint */
            store_notice(sim, row->site, row->due_at);
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void store_tell_forgotten(struct sim *sim, struct site *site) {
    site->told = false;
    store_tell(sim, message_new(TELL_FORGOTTEN, site));
}

static void store_serve(struct sim *sim, struct message *message) {
    message->site->messages--;
    if (message->kind == ASK_WRITE) {
        message->site->messages++;
        list_push(&sim->uncommitted, &message->link);
        return;
    }
    if (message->kind == ASK_LOAD)
        store_load(sim, message->site, message->count, message->bytes);
    else if (message->kind == ASK_FORGET)
        store_tell_forgotten(sim, message->site);
    else if (message->kind == ASK_REFRESH)
        store_tell_endpoint(sim, message->site);
    else
        store_forget(sim, sim_row(sim, message->id));
    free(message);
}

void store_turn(struct sim *sim) {
    struct list *link;
    store_look(sim);
    store_boot(sim);
    for (int64_t i = sim_below(sim, TURN_REQUESTS_MAX); i >= 0 && (link = list_pop(&sim->asked));
         i--)
        store_serve(sim, container_of(link, struct message, link));
    if (!list_empty(&sim->uncommitted) && !sim->commit.node.place) {
        bool slow = sim_below(sim, 100) == 0;
        sim_schedule(sim, &sim->commit,
                     sim->now_us + sim_below(sim, slow ? COMMIT_SLOW_US : COMMIT_MAX_US));
    }
    if (!list_empty(&sim->asked) || sim->booted < sim->n_sites)
        store_wake(sim);
}

static void row_end(struct sim *sim, struct row *row, enum row_status status) {
    sim_assert(sim, row->status == ROW_PENDING); /* no row ends twice */
    if (status == ROW_DELIVERED)
        sim_assert(sim, row->received > 0);
    row->status = status;
    sim->n_ended++;
    sim->ended[status]++;
    if (row->site->refill && !sim->arrivals_stopped)
        sim_insert(sim, row->site, 0);
}

static void store_commit_one(struct sim *sim, struct message *message) {
    struct row *row = sim_row(sim, message->delivery->id);
    struct message *reply = message_new(TELL_WRITTEN, row->site);
    sim_assert(sim, !row->flying);
    row->site->messages--;
    reply->delivery = message->delivery;
    reply->due_at = CLOCK_NEVER;
    row->attempts += message->attempted;
    if (message->fate == ROW_PENDING)
        reply->due_at = row->due_at = message->due_at;
    else
        row_end(sim, row, message->fate);
    store_forget(sim, row);
    store_tell(sim, reply);
    if (message->disable) {
        row->site->enabled = false;
        store_tell_endpoint(sim, row->site);
        if (!row->site->enable.node.place)
            sim_schedule(sim, &row->site->enable, sim->now_us + INT64_C(60000000));
    }
    free(message);
}

void store_commit(struct sim *sim) {
    struct list *link;
    if (sim->now_us < sim->locked_until_us) {
        sim_schedule(sim, &sim->commit, sim->locked_until_us);
        return;
    }
    while ((link = list_pop(&sim->uncommitted)))
        store_commit_one(sim, container_of(link, struct message, link));
}

/* ---- the loop's side ------------------------------------------------------------------------- */

static void take_loaded(struct sim *sim, struct message *message) {
    for (int i = 0; i < message->count; i++)
        sim->bytes_loaded += (int64_t)message->rows[i]->payload_bytes;
    sim->n_loads--;
    sim->n_loaded += message->count - message->asked_rows;
    sim->bytes_loaded -= message->bytes;
    scheduler_loaded(&sim->scheduler, message->site->id, message->rows, message->count,
                     message->due_at, message->need_bytes, sim->now);
}

static void notice(struct sim *sim, struct site *site, int64_t due_at) {
    if (!scheduler_noticed(&sim->scheduler, site->id, due_at, sim->now))
        store_ask(sim, message_new(ASK_REFRESH, site));
}

static void take_offered(struct sim *sim, struct message *message) {
    struct delivery *row = message->rows[0];
    struct site *site = message->site;
    int64_t due_at = row->due_at < message->notice_due ? row->due_at : message->notice_due;
    sim->n_loaded++;
    sim->bytes_loaded += (int64_t)row->payload_bytes;
    if (scheduler_offered(&sim->scheduler, site->id, message->rows, 1, message->due_at, sim->now))
        return;
    sim->n_loaded--;
    sim->bytes_loaded -= (int64_t)row->payload_bytes;
    site->retold = true;
    struct message *release = message_new(ASK_RELEASE, site);
    release->id = row->id;
    store_ask(sim, release);
    delivery_free(row);
    notice(sim, site, due_at);
}

void store_take_reply(struct sim *sim) {
    struct scheduler *scheduler = &sim->scheduler;
    struct message *message = container_of(list_pop(&sim->told), struct message, link);
    struct site *site = message->site;
    site->messages--;
    sim_touch(sim, site);
    sim_trace(sim,
              message->kind == TELL_ENDPOINT  ? "endpoint"
              : message->kind == TELL_NOTICED ? "noticed"
              : message->kind == TELL_OFFERED ? "offered"
              : message->kind == TELL_LOADED  ? "loaded"
              : message->delivery             ? "written"
                                              : "forgotten",
              site, message->delivery ? message->delivery->id : 0, message->count);
    switch (message->kind) {
    case TELL_ENDPOINT:
        scheduler_endpoint(scheduler, message->endpoint, message->due_at, sim->now);
        break;
    case TELL_NOTICED:
        notice(sim, site, message->due_at);
        break;
    case TELL_OFFERED:
        take_offered(sim, message);
        break;
    case TELL_FORGOTTEN:
        scheduler_forgotten(scheduler);
        break;
    case TELL_LOADED:
        take_loaded(sim, message);
        break;
    default:
        sim->n_unwritten--;
        sim->n_loaded--;
        scheduler_written(scheduler, message->delivery, message->due_at, sim->now);
        break;
    }
    free(message);
    if (!list_empty(&sim->told))
        sim_schedule(sim, &sim->reply, sim->now_us + sim_below(sim, REPLY_MAX_US));
}

static void messages_lose(struct list *list) {
    struct list *link;
    while ((link = list_pop(list)))
        message_free(container_of(link, struct message, link));
}

/* What was on its way is lost, and what was handed out is pending as before. */
void store_forget_all(struct sim *sim) {
    struct list *link;
    messages_lose(&sim->asked);
    messages_lose(&sim->told);
    messages_lose(&sim->uncommitted);
    while ((link = list_first(&sim->handed_out))) {
        struct row *row = container_of(link, struct row, out);
        row->flying = false;
        store_forget(sim, row);
    }
    while (list_pop(&sim->fresh))
        ;
    for (int i = 0; i < sim->n_sites; i++)
        sim->sites[i].messages = sim->sites[i].calls = 0;
    sim->booted = 0;
}
