/* The list. */

#include "outhook/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct member {
    int name;
    struct list link;
};

enum { MEMBERS = 5 };

/* The names in order as one number, walked in both directions. */
static int names(struct list *list) {
    int forward = 0, backward = 0, place = 1;
    list_for_each_safe (link, list) {
        forward = forward * 10 + container_of(link, struct member, link)->name;
    }
    for (struct list *link = list->previous; link != list; link = link->previous, place *= 10)
        backward += container_of(link, struct member, link)->name * place;
    assert_int_equal(forward, backward);
    return forward;
}

static void members_init(struct member members[MEMBERS]) {
    for (int i = 0; i < MEMBERS; i++) {
        members[i].name = i + 1;
        list_init(&members[i].link);
    }
}

static void push_pop_remove(void **state) {
    (void)state;
    struct list list;
    struct member members[MEMBERS];
    list_init(&list);
    members_init(members);
    assert_true(list_empty(&list));
    assert_null(list_first(&list));
    assert_null(list_pop(&list));

    list_push(&list, &members[0].link);
    list_push(&list, &members[1].link);
    list_push_front(&list, &members[2].link);
    list_push(&list, &members[3].link);
    assert_false(list_empty(&list));
    assert_int_equal(names(&list), 3124);
    assert_ptr_equal(list_first(&list), &members[2].link);

    list_remove(&members[0].link); /* middle */
    list_remove(&members[3].link); /* last */
    list_remove(&members[3].link); /* in none any more */
    assert_int_equal(names(&list), 32);
    assert_true(list_empty(&members[3].link));

    assert_ptr_equal(list_pop(&list), &members[2].link);
    assert_true(list_empty(&members[2].link));
    list_push_front(&list, &members[2].link);
    assert_int_equal(names(&list), 32);
    assert_ptr_equal(list_pop(&list), &members[2].link);
    assert_ptr_equal(list_pop(&list), &members[1].link);
    assert_true(list_empty(&list));
}

static void from_one_list_to_another(void **state) {
    (void)state;
    struct list a, b;
    struct member members[MEMBERS];
    list_init(&a);
    list_init(&b);
    members_init(members);
    for (int i = 0; i < MEMBERS; i++)
        list_push(&a, &members[i].link);
    list_for_each_safe (link, &a) {
        if (container_of(link, struct member, link)->name % 2 == 0) {
            list_remove(link);
            list_push(&b, link);
        }
    }
    assert_int_equal(names(&a), 135);
    assert_int_equal(names(&b), 24);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_pop_remove),
        cmocka_unit_test(from_one_list_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
