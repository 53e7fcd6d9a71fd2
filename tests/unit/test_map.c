/* The map: growth, taking ids out of runs of neighbours that wrap around, and a model. */

#include "outhook/base/map.h"

#include "outhook/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { IDS = 300, STEPS = 50000, FIRST_CAPACITY = 64 };

static char values[IDS]; /* only their addresses matter */

static void empty(void **state) {
    (void)state;
    struct map map = {0};
    size_t cursor = 0;
    assert_null(map_get(&map, 1));
    assert_null(map_remove(&map, 1));
    assert_null(map_next(&map, &cursor));
    map_free(&map);
}

static void any_id_has_its_value(void **state) {
    (void)state;
    static const int64_t ids[] = {0, 1, -1, INT64_MAX, INT64_MIN, 64, 128, 4294967296};
    struct map map = {0};
    for (size_t i = 0; i < 8; i++)
        map_put(&map, ids[i], &values[i]);
    for (size_t i = 0; i < 8; i++)
        assert_ptr_equal(map_get(&map, ids[i]), &values[i]);
    assert_null(map_get(&map, 2));

    map_put(&map, 0, &values[9]);
    assert_ptr_equal(map_get(&map, 0), &values[9]);
    assert_int_equal(map.count, 8);
    assert_ptr_equal(map_remove(&map, 0), &values[9]);
    assert_null(map_get(&map, 0));
    assert_null(map_remove(&map, 0));
    assert_int_equal(map.count, 7);
    map_free(&map);
    assert_null(map.slots);
}

static void grows_and_keeps_room(void **state) {
    (void)state;
    struct map map = {0};
    for (int64_t id = 0; id < IDS; id++) {
        map_put(&map, id * 64, &values[id]);
        assert_true(map.count <= map.capacity / 4 * 3);
    }
    for (int64_t id = 0; id < IDS; id++)
        assert_ptr_equal(map_get(&map, id * 64), &values[id]);
    assert_int_equal(map.count, IDS);
    map_free(&map);
}

/* The slot in which an id ends when it is alone: its home. */
static size_t home_of(int64_t id) {
    struct map map = {0};
    map_put(&map, id, values);
    assert_int_equal(map.capacity, FIRST_CAPACITY);
    size_t home = 0;
    while (!map.slots[home].value)
        home++;
    map_free(&map);
    return home;
}

/* Ids whose homes are the last two slots and the first, so that their run wraps around. */
static size_t wrapping_ids(int64_t *ids, size_t most) {
    size_t count = 0;
    for (int64_t id = 1; count < most; id++) {
        size_t home = home_of(id);
        if (home >= FIRST_CAPACITY - 2 || home == 0)
            ids[count++] = id;
    }
    return count;
}

static void removal_closes_gaps_around_the_end(void **state) {
    (void)state;
    int64_t ids[12];
    size_t count = wrapping_ids(ids, 12);
    for (size_t gone = 0; gone < count; gone++) {
        struct map map = {0};
        for (size_t i = 0; i < count; i++)
            map_put(&map, ids[i], &values[i]);
        assert_int_equal(map.capacity, FIRST_CAPACITY);
        for (size_t turn = 0; turn < count; turn++) {
            size_t out = (gone + turn * 5) % count; /* 5 and 12 have no common divisor */
            assert_ptr_equal(map_remove(&map, ids[out]), &values[out]);
            for (size_t later = turn + 1; later < count; later++) {
                size_t left = (gone + later * 5) % count;
                assert_ptr_equal(map_get(&map, ids[left]), &values[left]);
            }
        }
        assert_int_equal(map.count, 0);
        map_free(&map);
    }
}

static void assert_like(const struct map *map, void *const *model, size_t count) {
    size_t cursor = 0, walked = 0;
    bool seen[IDS] = {false};
    for (char *value; (value = map_next(map, &cursor));) {
        assert_false(seen[value - values]);
        seen[value - values] = true;
        walked++;
    }
    assert_int_equal(map->count, count);
    assert_int_equal(walked, count);
    for (size_t i = 0; i < IDS; i++) {
        assert_ptr_equal(map_get(map, (int64_t)i), model[i]);
        assert_int_equal(seen[i], model[i] != NULL);
    }
}

static void like_a_model(void **state) {
    (void)state;
    struct random random = {.state = 2};
    struct map map = {0};
    void *model[IDS] = {NULL};
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        /* Rises to all ids and falls to none, again and again. */
        bool put = random_below(&random, 100) < (step / 2000 % 2 ? 20 : 80);
        size_t i = (size_t)random_below(&random, IDS);
        if (put) {
            map_put(&map, (int64_t)i, &values[i]);
            count += model[i] == NULL;
            model[i] = &values[i];
        } else {
            assert_ptr_equal(map_remove(&map, (int64_t)i), model[i]);
            count -= model[i] != NULL;
            model[i] = NULL;
        }
        if (step % 10 == 0)
            assert_like(&map, model, count);
    }
    map_free(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(any_id_has_its_value),
        cmocka_unit_test(grows_and_keeps_room),
        cmocka_unit_test(removal_closes_gaps_around_the_end),
        cmocka_unit_test(like_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
