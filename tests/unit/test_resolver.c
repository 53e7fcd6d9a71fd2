/* Names and their addresses: one lookup a host, what is cached and for how long, who waits for
 * whom. The lookups are the test's own: they end when the test says so. */

#include "outhook/http/resolver.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CACHE_MS = 60000, WAIT_MS = 5000, MAX_LOOKUPS = 8, ASKERS_MAX = 5000 };

/* ---- lookups that the test ends -------------------------------------------------------------- */

/* Under the lock: lookups that have begun, each until the test has said how it ends. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char hosts[64][64];
    const char *ends[64]; /* addresses, or "!" and an error, or "?" and one that won't last */
    int begun, running, ended;
    bool let_all_go;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void look(struct lookup *lookup) {
    pthread_mutex_lock(&world.lock);
    int number = world.begun++;
    world.running++;
    snprintf(world.hosts[number % 64], sizeof world.hosts[0], "%s", lookup->host);
    world.ends[number % 64] = NULL;
    pthread_cond_broadcast(&world.changed);
    while (!world.ends[number % 64] && !world.let_all_go)
        pthread_cond_wait(&world.changed, &world.lock);
    const char *end = world.let_all_go ? "?the test is over" : world.ends[number % 64];
    if (*end == '!' || *end == '?') {
        lookup->error = memory_copy_string(end + 1);
        lookup->lasting = *end == '!';
    } else {
        lookup->addresses = memory_copy_string(end);
    }
    world.hosts[number % 64][0] = '\0';
    world.running--;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void woken(void *context) {
    (void)context;
    pthread_mutex_lock(&world.lock);
    world.ended++;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void wait_running(int count) {
    pthread_mutex_lock(&world.lock);
    while (world.running != count)
        pthread_cond_wait(&world.changed, &world.lock);
    pthread_mutex_unlock(&world.lock);
}

static void wait_begun(int count) {
    pthread_mutex_lock(&world.lock);
    while (world.begun < count)
        pthread_cond_wait(&world.changed, &world.lock);
    pthread_mutex_unlock(&world.lock);
}

/* ---- askers ---------------------------------------------------------------------------------- */

struct asker {
    struct resolver_wait wait;
    int answers;
    char addresses[64], error[64];
};

static struct asker askers[ASKERS_MAX];
static struct resolver *resolver;
static int64_t now_ms;
static int n_answers;

static void answered(void *context, struct resolver_wait *wait, const char *addresses,
                     const char *error) {
    struct asker *asker = container_of(wait, struct asker, wait);
    (void)context;
    assert_true(!addresses == !!error);
    snprintf(asker->addresses, sizeof asker->addresses, "%s", addresses ? addresses : "");
    snprintf(asker->error, sizeof asker->error, "%s", error ? error : "");
    asker->answers++;
    n_answers++;
}

static struct asker *ask(int number, const char *host) {
    struct asker *asker = &askers[number];
    *asker = (struct asker){0};
    resolver_ask(resolver, host, &asker->wait, now_ms + WAIT_MS, now_ms);
    return asker;
}

/* Ends the lookup of a host, and lets the resolver know. */
static void end(const char *host, const char *how) {
    pthread_mutex_lock(&world.lock);
    int before = world.ended, found = -1;
    for (int i = 0; i < 64; i++)
        if (!strcmp(world.hosts[i], host))
            found = i;
    assert_true(found >= 0);
    world.ends[found] = how;
    pthread_cond_broadcast(&world.changed);
    while (world.ended == before)
        pthread_cond_wait(&world.changed, &world.lock);
    pthread_mutex_unlock(&world.lock);
    resolver_turn(resolver, now_ms);
}

static void advance(int64_t ms) {
    now_ms += ms;
    resolver_turn(resolver, now_ms);
}

static void start(int max_lookups, int64_t cache_ms) {
    const struct resolver_settings settings = {.max_lookups = max_lookups,
                                               .cache_ms = cache_ms,
                                               .look = look,
                                               .answer = answered,
                                               .wake = woken};
    resolver = resolver_new(&settings);
}

static int set_up(void **state) {
    (void)state;
    world.begun = world.ended = 0;
    world.let_all_go = false;
    memset(world.hosts, 0, sizeof world.hosts);
    now_ms = 1000;
    n_answers = 0;
    start(MAX_LOOKUPS, CACHE_MS);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    while (resolver_give_up(resolver))
        continue;
    wait_running(resolver_running(resolver)); /* those just started, too */
    resolver_free(resolver);                  /* whatever still runs is left to itself */
    pthread_mutex_lock(&world.lock);
    world.let_all_go = true;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
    wait_running(0);
    return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_two_hundred_wait_for_one_lookup(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(ask(i, "a.example")->answers, 0);
    wait_begun(1);
    assert_int_equal(resolver_running(resolver), 1);
    end("a.example", "192.0.2.1,2001:db8::1");
    assert_int_equal(n_answers, 200);
    assert_int_equal(world.begun, 1);
    assert_string_equal(askers[199].addresses, "192.0.2.1,2001:db8::1");
    assert_int_equal(resolver_running(resolver), 0);
}

static void test_an_answer_is_used_until_it_is_old(void **state) {
    (void)state;
    ask(0, "a.example");
    wait_begun(1);
    end("a.example", "192.0.2.1");
    advance(CACHE_MS - 1);
    assert_string_equal(ask(1, "a.example")->addresses, "192.0.2.1");
    assert_int_equal(world.begun, 1);
    advance(1);
    assert_int_equal(ask(2, "a.example")->answers, 0);
    wait_begun(2);
    end("a.example", "192.0.2.2");
    assert_string_equal(askers[2].addresses, "192.0.2.2");
}

static void test_without_a_cache_each_asks_anew(void **state) {
    (void)state;
    resolver_set_cache(resolver, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(i, "a.example")->answers, 0);
        wait_begun(i + 1);
        end("a.example", "192.0.2.1");
        assert_int_equal(askers[i].answers, 1);
    }
}

static void test_a_failure_is_believed_for_a_while(void **state) {
    (void)state;
    ask(0, "no.example");
    wait_begun(1);
    end("no.example", "!Name or service not known");
    assert_string_equal(askers[0].error, "Name or service not known");
    advance(NAME_FAILED_MS - 1);
    assert_string_equal(ask(1, "no.example")->error, "Name or service not known");
    advance(1);
    assert_int_equal(ask(2, "no.example")->answers, 0);
    wait_begun(2);
    end("no.example", "192.0.2.1");
    assert_string_equal(askers[2].addresses, "192.0.2.1");
}

static void test_who_waits_too_long_is_told(void **state) {
    (void)state;
    ask(0, "hung.example");
    wait_begun(1);
    assert_int_equal(resolver_wake_at(resolver), now_ms + WAIT_MS);
    advance(WAIT_MS - 1);
    assert_int_equal(n_answers, 0);
    advance(1);
    assert_string_equal(askers[0].error, "nobody answered in time");
    assert_int_equal(resolver_wake_at(resolver), CLOCK_NEVER);

    assert_string_equal(ask(1, "hung.example")->error, "nobody answered in time");
    advance(NAME_FAILED_MS);
    ask(1, "hung.example"); /* joins the one that hangs */
    assert_int_equal(resolver_running(resolver), 1);
    end("hung.example", "192.0.2.1");
    assert_string_equal(askers[1].addresses, "192.0.2.1");
    assert_int_equal(world.begun, 1);
}

static void test_old_addresses_are_used_while_nobody_answers(void **state) {
    (void)state;
    ask(0, "a.example");
    wait_begun(1);
    end("a.example", "192.0.2.1");
    advance(CACHE_MS);
    ask(1, "a.example");
    advance(NAME_STALE_AFTER_MS - 1);
    assert_int_equal(askers[1].answers, 0);
    advance(1);
    assert_string_equal(askers[1].addresses, "192.0.2.1");
    assert_string_equal(ask(2, "a.example")->addresses, "192.0.2.1"); /* without waiting again */
    wait_begun(2);
    end("a.example", "?Temporary failure in name resolution");
    assert_string_equal(ask(3, "a.example")->addresses, "192.0.2.1");

    advance(NAME_STALE_MS - NAME_STALE_AFTER_MS - 1);
    ask(4, "a.example");
    wait_begun(3);
    end("a.example", "?Temporary failure in name resolution");
    assert_string_equal(askers[4].addresses, "192.0.2.1");
    advance(NAME_FAILED_MS);
    ask(5, "a.example"); /* now they are too old */
    wait_begun(4);
    end("a.example", "?Temporary failure in name resolution");
    assert_string_equal(askers[5].error, "Temporary failure in name resolution");
}

static void test_old_addresses_go_when_there_is_no_such_name(void **state) {
    (void)state;
    ask(0, "a.example");
    wait_begun(1);
    end("a.example", "192.0.2.1");
    advance(CACHE_MS);
    ask(1, "a.example");
    wait_begun(2);
    end("a.example", "!Name or service not known");
    assert_string_equal(askers[1].error, "Name or service not known");
}

static void ask_for(int number, const char *prefix) {
    char host[32];
    snprintf(host, sizeof host, "%s%d", prefix, number);
    ask(number, host);
}

static void test_lookups_at_once_are_bounded_and_shared(void **state) {
    (void)state;
    ask(100, "good");
    wait_begun(1);
    end("good", "192.0.2.1");
    ask(101, "bad");
    wait_begun(2);
    end("bad", "!no");
    advance(CACHE_MS);

    for (int i = 0; i < 20; i++)
        ask_for(i, "new");
    assert_int_equal(resolver_running(resolver), MAX_LOOKUPS * 3 / 4);
    ask(101, "bad");
    assert_int_equal(resolver_running(resolver), MAX_LOOKUPS * 3 / 4);
    ask(100, "good");
    assert_int_equal(resolver_running(resolver), MAX_LOOKUPS * 3 / 4 + 1);
    wait_begun(2 + MAX_LOOKUPS * 3 / 4 + 1);
    end("good", "192.0.2.2");
    assert_string_equal(askers[100].addresses, "192.0.2.2");

    end("new0", "192.0.2.3"); /* the next one's turn */
    assert_int_equal(resolver_running(resolver), MAX_LOOKUPS * 3 / 4);
    wait_begun(2 + MAX_LOOKUPS * 3 / 4 + 2);
    assert_string_equal(askers[0].addresses, "192.0.2.3");
}

static void test_who_is_never_reached_is_told_and_not_looked_up(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++)
        ask_for(i, "new");
    wait_begun(MAX_LOOKUPS * 3 / 4);
    advance(WAIT_MS);
    assert_int_equal(n_answers, 20);
    assert_string_equal(askers[0].error, "nobody answered in time");
    assert_string_equal(askers[19].error, "too many other lookups were not answered in time");
    for (int i = 0; i < MAX_LOOKUPS * 3 / 4; i++) {
        char host[32];
        snprintf(host, sizeof host, "new%d", i);
        end(host, "?nobody there");
    }
    assert_int_equal(resolver_running(resolver), 0);
    assert_int_equal(world.begun, MAX_LOOKUPS * 3 / 4);
}

static void test_one_lookup_at_once_is_enough_for_all(void **state) {
    (void)state;
    resolver_free(resolver);
    start(1, CACHE_MS);
    ask(0, "a");
    ask(1, "b");
    wait_begun(1);
    end("a", "!no");
    wait_begun(2);
    end("b", "192.0.2.1");
    assert_string_equal(askers[1].addresses, "192.0.2.1");
}

static void test_giving_up_answers_nobody(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++)
        ask_for(i, "new");
    int count = 0;
    while (resolver_give_up(resolver))
        count++;
    assert_int_equal(count, 20);
    assert_int_equal(n_answers, 0);
    assert_int_equal(resolver_wake_at(resolver), CLOCK_NEVER);
}

static void test_names_are_forgotten_when_there_are_too_many(void **state) {
    (void)state;
    ask(0, "first");
    ask(1, "second");
    wait_begun(2);
    end("first", "192.0.2.1");
    end("second", "192.0.2.2");
    ask(0, "first"); /* asked last, so the second one goes before it */
    for (int i = 0; i < NAMES_MAX - 1; i++) {
        char host[32];
        snprintf(host, sizeof host, "n%d", i);
        ask(2, host);
        assert_non_null(resolver_give_up(resolver));
        if (resolver_running(resolver) == MAX_LOOKUPS * 3 / 4)
            resolver_turn(resolver, now_ms);
    }
    assert_true(resolver_names(resolver) <= NAMES_MAX);
    assert_int_equal(ask(0, "first")->answers, 1);
    assert_int_equal(ask(1, "second")->answers, 0);
}

static void test_the_system_knows_addresses_and_localhost(void **state) {
    (void)state;
    struct lookup v4 = {.host = memory_copy_string("192.0.2.7")};
    struct lookup v6 = {.host = memory_copy_string("2001:db8::7")};
    struct lookup none = {.host = memory_copy_string("no such name")};
    lookup_by_system(&v4);
    lookup_by_system(&v6);
    lookup_by_system(&none);
    assert_string_equal(v4.addresses, "192.0.2.7");
    assert_string_equal(v6.addresses, "2001:db8::7");
    assert_null(none.addresses);
    assert_true(none.error && *none.error);
    struct lookup *all[] = {&v4, &v6, &none};
    for (size_t i = 0; i < 3; i++) {
        free(all[i]->host);
        free(all[i]->addresses);
        free(all[i]->error);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_two_hundred_wait_for_one_lookup),
        TEST(test_an_answer_is_used_until_it_is_old),
        TEST(test_without_a_cache_each_asks_anew),
        TEST(test_a_failure_is_believed_for_a_while),
        TEST(test_who_waits_too_long_is_told),
        TEST(test_old_addresses_are_used_while_nobody_answers),
        TEST(test_old_addresses_go_when_there_is_no_such_name),
        TEST(test_lookups_at_once_are_bounded_and_shared),
        TEST(test_who_is_never_reached_is_told_and_not_looked_up),
        TEST(test_one_lookup_at_once_is_enough_for_all),
        TEST(test_giving_up_answers_nobody),
        TEST(test_names_are_forgotten_when_there_are_too_many),
        TEST(test_the_system_knows_addresses_and_localhost),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
