#include "outhook/http/resolver.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

enum name_state { NAME_IDLE, NAME_QUEUED, NAME_RUNNING };

/* Who goes first when lookups are few: those that resolved, those never seen, those that failed. */
enum name_rank { RANK_RESOLVED, RANK_NEW, RANK_FAILED, RANKS };

struct name {
    struct list bucket;
    struct list link; /* of the idle ones, asked longest ago first; or of a queue */
    char *host;
    enum name_state state;
    char *addresses; /* NULL: none are known */
    char *error;     /* NULL: the last lookup did not fail, or none has ended */
    bool failed;     /* the last lookup did, or took too long */
    int64_t fresh_until, stale_until;
    int64_t asked_at; /* when the lookup that is queued or running was asked for */
    struct list waits;
};

struct resolver {
    struct resolver_settings settings;
    struct lookups *lookups;
    struct list buckets[BUCKETS];
    struct list idle, queues[RANKS];
    struct heap deadlines;
    int64_t next_tie;
    int names, running;
};

/* ---- names ----------------------------------------------------------------------------------- */

/* FNV-1a. */
static struct list *resolver_bucket(struct resolver *resolver, const char *host) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = host; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return &resolver->buckets[(hash ^ hash >> 32) % BUCKETS];
}

static void name_free(struct resolver *resolver, struct name *name) {
    list_remove(&name->bucket);
    list_remove(&name->link);
    free(name->host);
    free(name->addresses);
    free(name->error);
    free(name);
    resolver->names--;
}

/* Names that are being looked up stay; there are no more of them than calls. */
static void resolver_make_room(struct resolver *resolver) {
    while (resolver->names >= NAMES_MAX && !list_empty(&resolver->idle))
        name_free(resolver, container_of(list_first(&resolver->idle), struct name, link));
}

static struct name *resolver_name(struct resolver *resolver, const char *host) {
    struct list *bucket = resolver_bucket(resolver, host);
    for (struct list *link = bucket->next; link != bucket; link = link->next) {
        struct name *name = container_of(link, struct name, bucket);
        if (!strcmp(name->host, host))
            return name;
    }
    resolver_make_room(resolver);
    struct name *name = new (struct name);
    name->host = memory_copy_string(host);
    list_init(&name->link);
    list_init(&name->bucket);
    list_init(&name->waits);
    list_push(bucket, &name->bucket);
    list_push(&resolver->idle, &name->link);
    resolver->names++;
    return name;
}

static enum name_rank name_rank(const struct name *name) {
    return name->failed ? RANK_FAILED : name->addresses ? RANK_RESOLVED : RANK_NEW;
}

static bool name_may_be_stale(const struct name *name, int64_t now_ms) {
    return name->addresses && now_ms < name->stale_until;
}

/* Whether a lookup has been under way for so long that old addresses are better than none. */
static bool name_keeps_waiting(const struct name *name, int64_t now_ms) {
    return now_ms >= name->asked_at + NAME_STALE_AFTER_MS && name_may_be_stale(name, now_ms);
}

static void name_set_state(struct resolver *resolver, struct name *name, enum name_state state) {
    resolver->running += (state == NAME_RUNNING) - (name->state == NAME_RUNNING);
    name->state = state;
    list_remove(&name->link);
    if (state == NAME_IDLE)
        list_push(&resolver->idle, &name->link);
    else if (state == NAME_QUEUED)
        list_push(&resolver->queues[name_rank(name)], &name->link);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void resolver_answer(struct resolver *resolver, struct resolver_wait *wait,
                            const char *addresses, const char *error) {
    list_remove(&wait->link);
    heap_remove(&resolver->deadlines, &wait->deadline);
    wait->name = NULL;
    resolver->settings.answer(resolver->settings.context, wait, addresses, error);
}

static void name_answer_all(struct resolver *resolver, struct name *name) {
    struct list *link;
    while ((link = list_first(&name->waits)))
        resolver_answer(resolver, container_of(link, struct resolver_wait, link), name->addresses,
                        name->error);
}

/* What a lookup has found, or why it has not; both are taken over. */
static void name_learn(const struct resolver *resolver, struct name *name, char *addresses,
                       char *error, bool lasting, int64_t now_ms) {
    name->failed = !addresses;
    name->fresh_until = now_ms + (addresses ? resolver->settings.cache_ms : NAME_FAILED_MS);
    free(name->error);
    name->error = NULL;
    if (!addresses && !lasting && name_may_be_stale(name, now_ms)) {
        free(error); /* what is known goes on being used */
        return;
    }
    free(name->addresses);
    name->addresses = addresses;
    name->error = error;
    name->stale_until = name->fresh_until + NAME_STALE_MS;
}

/* ---- lookups --------------------------------------------------------------------------------- */

static void resolver_start(struct resolver *resolver, struct name *name, int64_t now_ms) {
    struct error error = {0};
    name_set_state(resolver, name, NAME_RUNNING);
    if (!lookups_start(resolver->lookups, name->host, name, &error))
        return;
    name_set_state(resolver, name, NAME_IDLE);
    name_learn(resolver, name, NULL, memory_copy_string(error.text), false, now_ms);
    name_answer_all(resolver, name);
}

/* All of them, three quarters, or half; but one at least. */
static bool resolver_has_room(const struct resolver *resolver, int rank) {
    int share = resolver->settings.max_lookups * (4 - rank) / 4;
    return resolver->running < (share > 1 ? share : 1);
}

static void resolver_start_queued(struct resolver *resolver, int64_t now_ms) {
    for (int rank = 0; rank < RANKS; rank++)
        while (!list_empty(&resolver->queues[rank]) && resolver_has_room(resolver, rank))
            resolver_start(resolver,
                           container_of(list_first(&resolver->queues[rank]), struct name, link),
                           now_ms);
}

static void resolver_take(struct resolver *resolver, struct lookup *lookup, int64_t now_ms) {
    struct name *name = lookup->asker;
    name_set_state(resolver, name, NAME_IDLE);
    name_learn(resolver, name, lookup->addresses, lookup->error, lookup->lasting, now_ms);
    lookup->addresses = lookup->error = NULL;
    lookup_free(lookup);
    name_answer_all(resolver, name);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void resolver_add_wait(struct resolver *resolver, struct name *name,
                              struct resolver_wait *wait, int64_t until_ms, int64_t now_ms) {
    int64_t stale_at = name->asked_at + NAME_STALE_AFTER_MS;
    if (name_may_be_stale(name, now_ms) && stale_at < until_ms)
        until_ms = stale_at;
    wait->name = name;
    wait->until_ms = until_ms;
    list_push(&name->waits, &wait->link);
    heap_push(&resolver->deadlines, &wait->deadline, until_ms, resolver->next_tie++);
}

/* Nobody waits for it any more, so it need not begin. */
static void name_dequeue(struct resolver *resolver, struct name *name) {
    if (name->state == NAME_QUEUED && list_empty(&name->waits))
        name_set_state(resolver, name, NAME_IDLE);
}

static void resolver_time_out(struct resolver *resolver, struct resolver_wait *wait,
                              int64_t now_ms) {
    struct name *name = wait->name;
    if (name_may_be_stale(name, now_ms)) {
        resolver_answer(resolver, wait, name->addresses, NULL);
    } else if (name->state == NAME_RUNNING) {
        /* A failure like any other, though the lookup may still come to a better end. */
        name_learn(resolver, name, NULL, memory_copy_string("nobody answered in time"), false,
                   now_ms);
        resolver_answer(resolver, wait, NULL, name->error);
    } else {
        resolver_answer(resolver, wait, NULL, "too many other lookups were not answered in time");
    }
    name_dequeue(resolver, name);
}

void resolver_ask(struct resolver *resolver, const char *host, struct resolver_wait *wait,
                  int64_t until_ms, int64_t now_ms) {
    struct name *name = resolver_name(resolver, host);
    list_init(&wait->link);
    if (now_ms < name->fresh_until) {
        name_set_state(resolver, name, name->state); /* asked last */
        resolver_answer(resolver, wait, name->addresses, name->error);
        return;
    }
    if (name->state == NAME_IDLE) {
        name->asked_at = now_ms;
        name_set_state(resolver, name, NAME_QUEUED);
    } else if (name_keeps_waiting(name, now_ms)) {
        resolver_answer(resolver, wait, name->addresses, NULL);
        return;
    }
    resolver_add_wait(resolver, name, wait, until_ms, now_ms);
    resolver_start_queued(resolver, now_ms);
}

void resolver_turn(struct resolver *resolver, int64_t now_ms) {
    struct lookup *lookup;
    struct heap_node *first;
    while ((lookup = lookups_receive(resolver->lookups)))
        resolver_take(resolver, lookup, now_ms);
    while ((first = heap_first(&resolver->deadlines)) && first->key <= now_ms)
        resolver_time_out(resolver, container_of(first, struct resolver_wait, deadline), now_ms);
    resolver_start_queued(resolver, now_ms);
}

int64_t resolver_wake_at(const struct resolver *resolver) {
    struct heap_node *first = heap_first(&resolver->deadlines);
    return first ? first->key : CLOCK_NEVER;
}

struct resolver_wait *resolver_give_up(struct resolver *resolver) {
    struct heap_node *first = heap_first(&resolver->deadlines);
    if (!first)
        return NULL;
    struct resolver_wait *wait = container_of(first, struct resolver_wait, deadline);
    struct name *name = wait->name;
    list_remove(&wait->link);
    heap_remove(&resolver->deadlines, first);
    name_dequeue(resolver, name);
    return wait;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct resolver *resolver_new(const struct resolver_settings *settings) {
    struct resolver *resolver = new (struct resolver);
    resolver->settings = *settings;
    for (int i = 0; i < BUCKETS; i++)
        list_init(&resolver->buckets[i]);
    for (int i = 0; i < RANKS; i++)
        list_init(&resolver->queues[i]);
    list_init(&resolver->idle);
    resolver->lookups =
        lookups_new(settings->max_lookups, settings->look, settings->wake, settings->context);
    return resolver;
}

void resolver_free(struct resolver *resolver) {
    if (!resolver)
        return;
    lookups_abandon(resolver->lookups);
    for (int i = 0; i < BUCKETS; i++)
        list_for_each_safe (link, &resolver->buckets[i])
            name_free(resolver, container_of(link, struct name, bucket));
    heap_free(&resolver->deadlines);
    free(resolver);
}

void resolver_set_cache(struct resolver *resolver, int64_t cache_ms) {
    resolver->settings.cache_ms = cache_ms;
}

int resolver_names(const struct resolver *resolver) {
    return resolver->names;
}

int resolver_running(const struct resolver *resolver) {
    return resolver->running;
}
