/*
 * The scheduler under everything at once, in any order: a few hundred thousand random steps from
 * fixed seeds, with all that must hold looked at after each. In the end the world becomes friendly,
 * and every row must have come to its end, once.
 */

#include "scheduler_check.h"

enum {
    STEPS = 40000, /* a world */
    SITES = 24,
    PENDING_MAX = 400,
    SECOND = 1000,
    DAY = 24 * 3600 * SECOND,
};

static const uint64_t seeds[] = {1, 2, 3, 4, 5, 6, 7, 8};

static int64_t below(struct model *model, int64_t bound) {
    return random_below(&model->random, bound);
}

static struct site *any_site(struct model *model) {
    return &model->sites[below(model, model->n_sites)];
}

static struct row *any_row(struct model *model) {
    return map_get(&model->rows, 1 + below(model, model->next_row_id));
}

static int pending(const struct model *model) {
    return (int)(model->next_row_id - model->n_ended);
}

/* ---- producers and people -------------------------------------------------------------------- */

static size_t any_size(struct model *model) {
    switch (below(model, 20)) {
    case 0:
        return (size_t)below(model, 5 << 20); /* more than all memory, at times */
    case 1:
        return (size_t)below(model, 600 << 10);
    case 2:
        return 0;
    default:
        return (size_t)below(model, 20 << 10);
    }
}

static void insert(struct model *model) {
    struct site *site = any_site(model);
    for (int64_t i = below(model, 6); i >= 0 && pending(model) < PENDING_MAX; i--) {
        int64_t due_at = model->now.wall_ms, kind = below(model, 100);
        if (kind == 0)
            due_at += below(model, 3600 * SECOND);
        else if (kind < 30)
            due_at += below(model, 5 * SECOND);
        int64_t expires_at = below(model, 4) ? CLOCK_NEVER : due_at + 1 + below(model, 60 * SECOND);
        if (site->exists)
            model_insert_sized(model, site, due_at, expires_at, any_size(model));
    }
}

static void cancel_or_replay(struct model *model) {
    struct row *row = model->next_row_id ? any_row(model) : NULL;
    if (!row || !row->site->exists)
        return;
    if (row->status == ROW_PENDING)
        model_cancel(model, row);
    else if (pending(model) < PENDING_MAX)
        model_replay(model, row);
}

static void edit(struct model *model) {
    struct site *site = any_site(model);
    site->changed = true;
    switch (below(model, 7)) {
    case 0:
        snprintf(site->url, sizeof site->url, "https://host%d.example/", (int)below(model, 1000));
        break;
    case 1:
        site->enabled = below(model, 4) != 0;
        break;
    case 2:
        site->ordered = !site->ordered;
        break;
    case 3:
        site->max_in_flight = (int)below(model, 8);
        break;
    case 4:
        site->rate_limit = below(model, 2) ? 0 : 1 + (double)below(model, 100);
        break;
    case 5:
        site->rate_burst = (int)below(model, 5);
        break;
    default:
        site->max_attempts = (int)below(model, 6);
        break;
    }
}

static void delete_site(struct model *model) {
    struct site *site = any_site(model);
    struct row *row;
    if (below(model, 20))
        return;
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));)
        if (row->site == site && row->status == ROW_PENDING)
            model_cancel(model, row);
    site->exists = false;
    site->changed = true;
    model_add_site(model);
}

static void change_mood(struct model *model) {
    struct site *site = any_site(model);
    bool good = below(model, 6);
    site->verdict = good ? VERDICT_DELIVERED : (enum verdict)below(model, VERDICT_ABORTED);
    site->latency_ms = below(model, 20) ? below(model, 300) : below(model, 30 * SECOND);
    site->retry_after_ms = below(model, 3) ? -1 : below(model, 20 * SECOND);
}

static void change_policy(struct model *model) {
    struct scheduler_policy *policy = &model->policy;
    policy->max_idle = below(model, 2) ? SITES_MAX : (int)below(model, 3);
    policy->lane.endpoint_max_in_flight = 1 + (int)below(model, 20);
    policy->lane.breaker.failures = 1 + (int)below(model, 10);
    policy->retry.max_attempts = 1 + (int)below(model, 16);
    scheduler_set_policy(&model->scheduler, policy);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void pass_time(struct model *model) {
    int64_t ms = below(model, 4) ? below(model, 100) : below(model, 5 * SECOND);
    struct call *call;
    model->now.mono_ms += ms;
    model->now.wall_ms += ms;
    while ((call = model_first_call(model)) && call->node.key <= model->now.mono_ms) {
        model_complete(model, call);
        model_check(model);
    }
}

static void set_clock(struct model *model) {
    int64_t moved_ms = below(model, 2 * 3600 * SECOND) - 3600 * SECOND;
    model->now.wall_ms += moved_ms;
    scheduler_clock_moved(&model->scheduler, moved_ms, model->now);
}

static void some(struct model *model, bool (*one)(struct model *model)) {
    for (int64_t i = below(model, 8); i >= 0 && one(model); i--)
        model_check(model);
}

static void step(struct model *model) {
    int64_t kind = below(model, 1000);
    if (kind < 100)
        insert(model);
    else if (kind < 130)
        cancel_or_replay(model);
    else if (kind < 150)
        edit(model);
    else if (kind < 155)
        delete_site(model);
    else if (kind < 200)
        change_mood(model);
    else if (kind < 205)
        change_policy(model);
    else if (kind < 210)
        set_clock(model);
    else if (kind < 220)
        model->locked = below(model, 4) == 0;
    else if (kind < 340)
        model_look(model);
    else if (kind < 500)
        some(model, model_serve);
    else if (kind < 580)
        model_commit(model);
    else if (kind < 740)
        some(model, model_take);
    else if (kind < 840)
        pass_time(model);
    else if (kind < 900)
        scheduler_run(&model->scheduler, model->now, (int)below(model, 4));
    else
        model_run(model);
    model_check(model);
}

/* ---- a world --------------------------------------------------------------------------------- */

static struct model *world(uint64_t seed) {
    static const int slots[] = {1, 2, 3, 8, 30, 100};
    struct model *model = model_new(seed, slots[seed % 6]);
    model->policy.load.max_rows = seed % 2 ? 4096 : 5;
    model->policy.load.max_bytes = seed % 3 ? 2 << 20 : 16 << 20;
    scheduler_set_policy(&model->scheduler, &model->policy);
    for (int i = 0; i < SITES; i++) {
        struct site *site = model_add_site(model);
        site->named = i % 4 != 0;
        site->ordered = i % 5 == 0;
    }
    return model;
}

static void make_friendly(struct model *model) {
    model->locked = false;
    for (int i = 0; i < model->n_sites; i++) {
        struct site *site = &model->sites[i];
        site->verdict = VERDICT_DELIVERED;
        site->latency_ms = 20;
        site->retry_after_ms = -1;
        site->enabled = site->changed = true;
        site->rate_limit = 0;
    }
}

static void assert_all_has_ended(struct model *model) {
    struct row *row;
    for (size_t cursor = 0; (row = map_next(&model->rows, &cursor));) {
        assert_int_not_equal(row->status, ROW_PENDING);
        assert_false(row->handed_out);
        assert_false(row->flying);
    }
    assert_int_equal(model->n_ended, model->next_row_id);
    assert_int_equal(model->scheduler.lanes.loader.n_rows, 0);
    assert_int_equal(model->scheduler.lanes.loader.bytes, 0);
    assert_int_equal(model->scheduler.slots.n_unproven, 0);
}

/* cmocka prints what was not true; the seed and the step are what is needed to see it again. */
static uint64_t running_seed;
static int running_step;

static int print_seed(void **state) {
    (void)state;
    if (running_step < STEPS)
        print_message("it was seed %llu, step %d\n", (unsigned long long)running_seed,
                      running_step);
    return 0;
}

static void any_order_of_events(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        struct model *model = world(running_seed = seeds[i]);
        for (running_step = 0; running_step < STEPS; running_step++)
            step(model);
        running_step = 0;
        make_friendly(model);
        model_go(model, DAY);
        make_friendly(model); /* calls of the old days may have disabled an endpoint */
        model_go(model, DAY);
        assert_all_has_ended(model);
        running_step = STEPS;
        assert_true(model->n_sent > 500); /* it did not just wait */
        model_free(model);
    }
}

/* Stopped at any moment: nothing more is sent, what was loaded is given back, and what had begun
 * ends. */
static void stopped_at_any_moment(void **state) {
    (void)state;
    for (uint64_t seed = 100; seed < 160; seed++) {
        struct model *model = world(running_seed = seed);
        int64_t steps = 100 + below(model, 1000);
        for (running_step = 0; running_step < steps; running_step++)
            step(model);
        scheduler_stop(&model->scheduler);
        model_check(model);
        size_t sent = model->n_sent;
        make_friendly(model);
        model_go(model, DAY);
        assert_int_equal(model->n_sent, sent);
        assert_int_equal(model->handed_out.count, 0);
        assert_int_equal(model->scheduler.lanes.loader.n_rows, 0);
        assert_int_equal(model->scheduler.lanes.loader.bytes, 0);
        running_step = STEPS;
        model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(any_order_of_events, print_seed),
        cmocka_unit_test_teardown(stopped_at_any_moment, print_seed),
    };
    running_step = STEPS;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
