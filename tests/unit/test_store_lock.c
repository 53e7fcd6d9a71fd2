/* The lock: one owner a database, whatever name it goes by, for as long as the owner lives. */

#include "outhook/store/lock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

static const char *path_of(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", directory, name);
    return path;
}

static int make_directory(void **state) {
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/outhook-test-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    int fd = open(path_of("outhook.db"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    return symlink(path_of("outhook.db"), path_of("link.db"));
}

static int remove_directory(void **state) {
    static const char *const names[] = {"outhook.db", "outhook.db.lock", "link.db", "new.db.lock"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(directory);
}

static struct store_lock taken(const char *path) {
    struct store_lock lock;
    struct error error = {0};
    if (store_lock_take(&lock, path, &error))
        fail_msg("%s", error.text);
    assert_true(lock.fd >= 0);
    return lock;
}

static void one_owner(void **state) {
    (void)state;
    struct store_lock first = taken(path_of("outhook.db")), second;
    struct error error = {0};
    char pid[32];
    assert_int_equal(store_lock_take(&second, path_of("outhook.db"), &error), ERROR_FAILED);
    assert_int_equal(second.fd, -1);
    snprintf(pid, sizeof pid, "(process %d)", (int)getpid());
    assert_non_null(strstr(error.text, pid));
    store_lock_release(&second);
    store_lock_release(&first);
    store_lock_release(&first);
    second = taken(path_of("outhook.db"));
    store_lock_release(&second);
}

static void a_link_is_the_same_database(void **state) {
    (void)state;
    struct store_lock first = taken(path_of("link.db")), second;
    struct error error = {0};
    assert_int_equal(store_lock_take(&second, path_of("outhook.db"), &error), ERROR_FAILED);
    store_lock_release(&first);
}

static void a_database_that_has_yet_to_be_made(void **state) {
    (void)state;
    struct store_lock lock = taken(path_of("new.db"));
    assert_int_equal(access(path_of("new.db.lock"), F_OK), 0);
    assert_int_not_equal(access(path_of("new.db"), F_OK), 0);
    store_lock_release(&lock);
}

/* However it ends: the kernel lets go. */
static void the_owners_end_frees_it(void **state) {
    (void)state;
    int told[2];
    char byte;
    assert_int_equal(pipe(told), 0);
    pid_t owner = fork();
    if (!owner) {
        struct store_lock lock;
        struct error error = {0};
        int r = store_lock_take(&lock, path_of("outhook.db"), &error);
        if (write(told[1], r ? "n" : "y", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    struct store_lock lock;
    struct error error = {0};
    char pid[32];
    assert_int_equal(store_lock_take(&lock, path_of("outhook.db"), &error), ERROR_FAILED);
    snprintf(pid, sizeof pid, "(process %d)", (int)owner);
    assert_non_null(strstr(error.text, pid));
    assert_int_equal(kill(owner, SIGKILL), 0);
    assert_int_equal(waitpid(owner, NULL, 0), owner);
    lock = taken(path_of("outhook.db"));
    store_lock_release(&lock);
    close(told[0]);
    close(told[1]);
}

static void what_is_no_file(void **state) {
    (void)state;
    struct store_lock lock;
    struct error error = {0};
    assert_int_equal(store_lock_take(&lock, directory, &error), ERROR_FAILED);
    assert_non_null(strstr(error.text, "is a directory"));
    assert_int_equal(lock.fd, -1);
    assert_int_equal(store_lock_take(&lock, path_of("no/outhook.db"), &error), ERROR_FAILED);
    assert_non_null(strstr(error.text, "can't make"));
    assert_int_equal(lock.fd, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_owner),
        cmocka_unit_test(a_link_is_the_same_database),
        cmocka_unit_test(a_database_that_has_yet_to_be_made),
        cmocka_unit_test(the_owners_end_frees_it),
        cmocka_unit_test(what_is_no_file),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
