/* The store as a whole, on a thread of its own: news, loads, outcomes, locks, and its end. */

#include "outhook/store/store.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"

#include "store_world.h"

#include <sched.h>
#include <semaphore.h>
#include <sqlite3.h>

enum {
    PLENTY = 1 << 20,
    MANY = 40000,    /* more requests than are taken at a time */
    RETRIES = 20,    /* of a lock that somebody else holds */
    GIVE_UP_S = 120, /* a reply that never comes is a test that never ends */
};

static int usual_stderr;

struct rig {
    struct world *world;
    struct store *store;
    struct task_group *group;
    sem_t woken, changed;
};

static void on_wake(void *context) {
    struct rig *rig = context;
    sem_post(&rig->woken);
}

static void on_change(void *context) {
    struct rig *rig = context;
    sem_post(&rig->changed);
}

/* Starts a store on the world's file, and waits for nothing. */
static struct rig *rig_start(struct world *world, bool offers, bool heads_ups) {
    struct rig *rig = new (struct rig);
    struct error error = {0};
    rig->world = world;
    sem_init(&rig->woken, 0, 0);
    sem_init(&rig->changed, 0, 0);
    struct store_settings settings = {.path = world->path,
                                      .cache_bytes = 1 << 20,
                                      .max_pending = 1000,
                                      .max_payload_bytes = 5000,
                                      .offers = offers,
                                      .heads_ups = heads_ups,
                                      .max_requests = 2 * MANY};
    rig->store = store_new(&settings, on_wake, rig);
    rig->group = task_group_new(on_change, rig);
    struct task_definition task = store_task(rig->store);
    task_group_add(rig->group, &task);
    assert_int_equal(task_group_start(rig->group, &error), 0);
    return rig;
}

static struct store_reply *next_reply(struct rig *rig) {
    struct store_reply *reply;
    while (!(reply = store_receive(rig->store)))
        sem_wait(&rig->woken);
    return reply;
}

static struct store_reply *expect(struct rig *rig, enum store_reply_kind kind) {
    struct store_reply *reply = next_reply(rig);
    assert_int_equal(reply->kind, kind);
    return reply;
}

static void expect_and_free(struct rig *rig, enum store_reply_kind kind) {
    store_reply_free(expect(rig, kind));
}

static struct rig *rig_open_with(bool offers, bool heads_ups) {
    struct rig *rig = rig_start(world_new(), offers, heads_ups);
    expect_and_free(rig, STORE_OPENED);
    world_open_people(rig->world);
    sqlite3_busy_timeout(rig->world->people, 10000);
    return rig;
}

static struct rig *rig_open(void) {
    return rig_open_with(false, false);
}

static void rig_free(struct rig *rig) {
    task_group_stop(rig->group);
    task_group_free(rig->group);
    store_free(rig->store);
    world_free(rig->world);
    sem_destroy(&rig->woken);
    sem_destroy(&rig->changed);
    free(rig);
}

static void ask_load(struct rig *rig, int64_t endpoint_id, int rows) {
    struct store_request *request = new (struct store_request);
    *request = (struct store_request){
        .kind = STORE_LOAD, .endpoint_id = endpoint_id, .rows = rows, .bytes = PLENTY};
    store_send(rig->store, request);
    store_ring(rig->store);
}

static void ask_release_of(struct rig *rig, int64_t delivery_id, bool refused) {
    struct store_request *request = new (struct store_request);
    request->kind = STORE_RELEASE;
    request->refused = refused;
    request->write.delivery_id = delivery_id;
    store_send(rig->store, request);
    store_ring(rig->store);
}

static void ask_release(struct rig *rig, int64_t delivery_id) {
    ask_release_of(rig, delivery_id, false);
}

/* Loads the only row that is due. */
static struct delivery *load_one(struct rig *rig, int64_t endpoint_id) {
    ask_load(rig, endpoint_id, 10);
    struct store_reply *reply = expect(rig, STORE_LOADED);
    assert_int_equal(reply->endpoint_id, endpoint_id);
    assert_int_equal(reply->load->count, 1);
    struct delivery *delivery = reply->load->rows[0];
    reply->load->count = 0;
    store_reply_free(reply);
    return delivery;
}

static void ask_write(struct rig *rig, struct delivery *delivery, enum write_fate fate,
                      enum verdict verdict) {
    struct store_request *request = new (struct store_request);
    request->kind = STORE_WRITE;
    request->delivery = delivery;
    request->write = (struct write){.delivery_id = delivery->id,
                                    .endpoint_id = delivery->endpoint_id,
                                    .fate = fate,
                                    .due_at = 1900000000000,
                                    .finished_at = 1750000000000,
                                    .attempted = true,
                                    .number = 1,
                                    .disable_endpoint = verdict == VERDICT_GONE,
                                    .outcome = {.verdict = verdict, .status_code = 200}};
    store_send(rig->store, request);
    store_ring(rig->store);
}

/* An endpoint that the store has told of, with a row. */
static int64_t told_endpoint(struct rig *rig) {
    int64_t id = add_endpoint(rig->world, "billing");
    expect_and_free(rig, STORE_ENDPOINT);
    add_webhook(rig->world, "billing", "{}");
    expect_and_free(rig, STORE_NOTICED);
    return id;
}

/* Waits until the store has tried again and again. */
static void await_retries(struct rig *rig) {
    uint64_t until = store_heartbeat(rig->store) + RETRIES;
    while (store_heartbeat(rig->store) < until)
        sched_yield();
}

/* ---- the ordinary ---------------------------------------------------------------------------- */

static void makes_its_database(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    sem_wait(&rig->changed);
    assert_int_equal(task_group_state(rig->group), TASK_GROUP_RUNNING);
    assert_int_equal(number(rig->world->people, "SELECT max_pending FROM queue_depth"), 1000);
    assert_int_equal(number(rig->world->people, "SELECT max_payload_bytes FROM queue_depth"), 5000);
    rig_free(rig);
}

static void tells_what_is_there_before_it_is_open(void **state) {
    (void)state;
    struct world *world = world_open();
    add_endpoint(world, "billing");
    add_endpoint(world, "other");
    sql(world->people, "INSERT INTO webhooks (endpoint, payload, created_at)"
                       " VALUES ('other', 1, 1700000000000)");
    database_close(&world->daemon);
    struct rig *rig = rig_start(world, false, false);
    struct store_reply *reply = expect(rig, STORE_ENDPOINT);
    assert_string_equal(reply->endpoint->name, "billing");
    assert_true(reply->due_at == CLOCK_NEVER);
    store_reply_free(reply);
    reply = expect(rig, STORE_ENDPOINT);
    assert_string_equal(reply->endpoint->name, "other");
    assert_int_equal(reply->due_at, 1700000000000);
    store_reply_free(reply);
    expect_and_free(rig, STORE_OPENED);
    rig_free(rig);
}

static void notices_loads_and_writes(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    struct delivery *delivery = load_one(rig, id);
    assert_string_equal(delivery->payload, "{}");
    ask_write(rig, delivery, WRITE_AGAIN, VERDICT_FAILED);
    struct store_reply *reply = expect(rig, STORE_WRITTEN);
    assert_ptr_equal(reply->request->delivery, delivery);
    assert_int_equal(reply->due_at, 1900000000000);
    store_reply_free(reply);
    assert_text(rig->world->people, "SELECT status || attempts FROM deliveries", "pending1");

    add_webhook(rig->world, "billing", "{}");
    expect_and_free(rig, STORE_NOTICED);
    ask_write(rig, load_one(rig, id), WRITE_DELIVERED, VERDICT_DELIVERED);
    reply = expect(rig, STORE_WRITTEN);
    assert_true(reply->due_at == CLOCK_NEVER);
    store_reply_free(reply);
    assert_text(rig->world->people, "SELECT status FROM deliveries WHERE id = 2", "delivered");
    rig_free(rig);
}

/* Loaded before they are asked for; where they are refused, there are no offers for a while. */
static void few_new_rows_are_offered(void **state) {
    (void)state;
    struct rig *rig = rig_open_with(true, false);
    int64_t id = add_endpoint(rig->world, "billing");
    expect_and_free(rig, STORE_ENDPOINT);
    add_webhook(rig->world, "billing", "{}");
    struct store_reply *reply = expect(rig, STORE_OFFERED);
    assert_int_equal(reply->endpoint_id, id);
    assert_int_equal(reply->load->count, 1);
    assert_string_equal(reply->load->rows[0]->payload, "{}");
    assert_true(reply->load->next_due == CLOCK_NEVER);
    assert_int_equal(reply->due_at, reply->load->rows[0]->due_at);
    ask_release_of(rig, reply->load->rows[0]->id, true);
    store_reply_free(reply);
    delivery_free(load_one(rig, id)); /* it is on disk again */

    add_webhook(rig->world, "billing", "{}");
    reply = expect(rig, STORE_NOTICED);
    assert_null(reply->load);
    store_reply_free(reply);
    sql(rig->world->people, "INSERT INTO webhooks (endpoint, payload, deliver_at)"
                            " VALUES ('billing', 1, 1900000000000)");
    expect_and_free(rig, STORE_NOTICED); /* not due */
    rig_free(rig);
}

/* The next reply that is something else; *heads_ups is counted up by those before it. */
static void expect_behind_heads_ups(struct rig *rig, enum store_reply_kind kind, int *heads_ups) {
    struct store_reply *reply;
    for (; (reply = next_reply(rig))->kind == STORE_HEADS_UP; (*heads_ups)++)
        store_reply_free(reply);
    assert_int_equal(reply->kind, kind);
    store_reply_free(reply);
}

/* One that is written while the store is busy with the last one is not told of before. */
static void a_write_is_told_of_before_what_it_brings(void **state) {
    (void)state;
    struct rig *rig = rig_open_with(false, true);
    int heads_ups = 0;
    add_endpoint(rig->world, "billing");
    expect_behind_heads_ups(rig, STORE_ENDPOINT, &heads_ups);
    for (heads_ups = 0; !heads_ups;) {
        usleep(10000);
        add_webhook(rig->world, "billing", "{}");
        expect_behind_heads_ups(rig, STORE_NOTICED, &heads_ups);
    }
    rig_free(rig);
}

static void a_released_row_is_loaded_again(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    struct delivery *delivery = load_one(rig, id);
    ask_release(rig, delivery->id);
    delivery_free(delivery);
    delivery_free(load_one(rig, id));
    rig_free(rig);
}

static void edits_cancels_and_the_end_of_an_endpoint(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    sql(rig->world->people, "UPDATE endpoints SET url = 'https://elsewhere.example/'");
    struct store_reply *reply = expect(rig, STORE_ENDPOINT);
    assert_string_equal(reply->endpoint->url, "https://elsewhere.example/");
    assert_true(reply->due_at != CLOCK_NEVER);
    store_reply_free(reply);
    sql(rig->world->people, "UPDATE deliveries SET status = 'cancelled'");
    reply = expect(rig, STORE_ENDPOINT);
    assert_true(reply->due_at == CLOCK_NEVER);
    store_reply_free(reply);
    sql(rig->world->people, "DELETE FROM endpoints");
    reply = expect(rig, STORE_ENDPOINT_GONE);
    assert_int_equal(reply->endpoint_id, id);
    store_reply_free(reply);
    rig_free(rig);
}

static void a_disabled_endpoint_is_told_behind_its_outcome(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    ask_write(rig, load_one(rig, id), WRITE_AGAIN, VERDICT_GONE);
    expect_and_free(rig, STORE_WRITTEN);
    struct store_reply *reply = expect(rig, STORE_ENDPOINT);
    assert_false(reply->endpoint->enabled);
    store_reply_free(reply);
    rig_free(rig);
}

/* The store is woken once for all that came while it was busy, and must not sleep on the rest. */
static void more_requests_than_are_taken_at_a_time(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    struct delivery *delivery = load_one(rig, id);
    sql(rig->world->people, "BEGIN IMMEDIATE");
    ask_write(rig, delivery, WRITE_DELIVERED, VERDICT_DELIVERED);
    await_retries(rig); /* it is busy with that one */
    for (int i = 0; i < MANY; i++)
        ask_release(rig, 1000000 + i);
    ask_load(rig, id, 1);
    sql(rig->world->people, "COMMIT");
    int64_t started_us = clock_mono_us();
    expect_and_free(rig, STORE_WRITTEN);
    expect_and_free(rig, STORE_LOADED);
    /* A sleep after each 512, until the next look, would take many seconds. */
    assert_true(clock_mono_us() - started_us < 3000000);
    rig_free(rig);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void a_lock_of_others_is_waited_for(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    struct delivery *delivery = load_one(rig, id);
    sql(rig->world->people, "BEGIN IMMEDIATE");
    ask_write(rig, delivery, WRITE_DELIVERED, VERDICT_DELIVERED);
    await_retries(rig);
    assert_null(store_receive(rig->store));
    sql(rig->world->people, "COMMIT");
    expect_and_free(rig, STORE_WRITTEN);
    assert_text(rig->world->people, "SELECT status FROM deliveries", "delivered");
    assert_int_equal(number(rig->world->people, "SELECT count(*) FROM attempts"), 1);
    rig_free(rig);
}

static void stopping_writes_everything_first(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    struct delivery *delivery = load_one(rig, id);
    ask_write(rig, delivery, WRITE_DELIVERED, VERDICT_DELIVERED);
    task_group_stop(rig->group);
    assert_text(rig->world->people, "SELECT status FROM deliveries", "delivered");
    struct error error = {0};
    task_group_error(rig->group, &error);
    assert_int_equal(error.kind, 0);

    char wal[128];
    snprintf(wal, sizeof wal, "%s-wal", rig->world->path);
    FILE *file = fopen(wal, "re");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_int_equal(ftell(file), 0); /* its last act emptied the log */
    fclose(file);

    /* What is sent to a store that has ended is freed, and the caller is not kept waiting. */
    struct store_reply *reply;
    while ((reply = store_receive(rig->store)))
        store_reply_free(reply); /* it may have answered before it was stopped */
    ask_load(rig, id, 1);
    assert_null(store_receive(rig->store));
    rig_free(rig);
}

/* From here on the log goes to a file. */
static FILE *log_begin(void) {
    FILE *log = tmpfile();
    assert_non_null(log);
    fflush(stderr);
    usual_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
    return log;
}

static void assert_logged(FILE *log, const char *part) {
    char text[4000] = "";
    dup2(usual_stderr, STDERR_FILENO);
    close(usual_stderr);
    rewind(log);
    size_t length = fread(text, 1, sizeof text - 1, log);
    text[length] = '\0';
    fclose(log);
    if (!strstr(text, part))
        fail_msg("not in the log: %s; there is: %s", part, text);
}

static void a_stop_may_give_up_waiting(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    int64_t id = told_endpoint(rig);
    struct delivery *delivery = load_one(rig, id);
    sql(rig->world->people, "BEGIN IMMEDIATE");
    ask_write(rig, delivery, WRITE_DELIVERED, VERDICT_DELIVERED);
    await_retries(rig);
    FILE *log = log_begin();
    store_give_up_waiting(rig->store);
    task_group_stop(rig->group); /* else it would wait for ever */
    assert_logged(log, "stopped without writing 1 outcomes");
    sql(rig->world->people, "COMMIT");
    assert_text(rig->world->people, "SELECT status FROM deliveries", "pending");
    assert_int_equal(number(rig->world->people, "SELECT count(*) FROM attempts"), 0);
    rig_free(rig);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void assert_ends_with(struct rig *rig, int kind, const char *part) {
    struct error error = {0};
    while (task_group_state(rig->group) != TASK_GROUP_FAILED)
        sem_wait(&rig->changed);
    task_group_error(rig->group, &error);
    assert_int_equal(error.kind, kind);
    if (!strstr(error.text, part))
        fail_msg("%s", error.text);
}

static void a_moved_database_ends_it(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    char elsewhere[128];
    snprintf(elsewhere, sizeof elsewhere, "%s.moved", rig->world->path);
    assert_int_equal(rename(rig->world->path, elsewhere), 0);
    assert_ends_with(rig, ERROR_DAMAGED, "was moved, deleted or replaced");
    rig_free(rig);
}

static void a_replaced_log_ends_it(void **state) {
    (void)state;
    struct rig *rig = rig_open();
    char wal[128];
    await_retries(rig); /* it has looked at what there is */
    snprintf(wal, sizeof wal, "%s-wal", rig->world->path);
    add_endpoint(rig->world, "billing");
    expect_and_free(rig, STORE_ENDPOINT);
    assert_int_equal(unlink(wal), 0);
    assert_ends_with(rig, ERROR_DAMAGED, "was moved, deleted or replaced");
    rig_free(rig);
}

static void another_programs_database_is_refused(void **state) {
    (void)state;
    struct world *world = world_new();
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(world->path, &handle), SQLITE_OK);
    sql(handle, "CREATE TABLE theirs (x)");
    sqlite3_close(handle);
    struct rig *rig = rig_start(world, false, false);
    assert_ends_with(rig, ERROR_DAMAGED, "is another program's database");
    rig_free(rig);
}

static void a_directory_that_is_not_there(void **state) {
    (void)state;
    struct world *world = world_new();
    snprintf(world->path, sizeof world->path, "%s/no/outhook.db", world->directory);
    struct rig *rig = rig_start(world, false, false);
    assert_ends_with(rig, ERROR_FAILED, "can't create");
    rig_free(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_its_database),
        cmocka_unit_test(tells_what_is_there_before_it_is_open),
        cmocka_unit_test(notices_loads_and_writes),
        cmocka_unit_test(few_new_rows_are_offered),
        cmocka_unit_test(a_write_is_told_of_before_what_it_brings),
        cmocka_unit_test(a_released_row_is_loaded_again),
        cmocka_unit_test(edits_cancels_and_the_end_of_an_endpoint),
        cmocka_unit_test(a_disabled_endpoint_is_told_behind_its_outcome),
        cmocka_unit_test(more_requests_than_are_taken_at_a_time),
        cmocka_unit_test(a_lock_of_others_is_waited_for),
        cmocka_unit_test(stopping_writes_everything_first),
        cmocka_unit_test(a_stop_may_give_up_waiting),
        cmocka_unit_test(a_moved_database_ends_it),
        cmocka_unit_test(a_replaced_log_ends_it),
        cmocka_unit_test(another_programs_database_is_refused),
        cmocka_unit_test(a_directory_that_is_not_there),
    };
    alarm(GIVE_UP_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
