#include "outhook/store/lock.h"

#include "outhook/base/memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 20, LOCK_PAUSE_NS = 10000000 };

char *store_lock_path(const char *database_path) {
    char real[PATH_MAX], directory[PATH_MAX];
    const char *slash = strrchr(database_path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - database_path) + 1 : 1,
             slash ? database_path : ".");
    if (realpath(database_path, real))
        return memory_print("%s.lock", real);
    if (realpath(directory, real)) /* the database has yet to be made */
        return memory_print("%s/%s.lock", real, slash ? slash + 1 : database_path);
    return memory_print("%s.lock", database_path);
}

static bool store_lock_try(int fd) {
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    errno = EWOULDBLOCK;
    return false;
}

static int store_lock_refuse(int fd, const char *database_path, struct error *error) {
    char pid[32] = "";
    ssize_t length = pread(fd, pid, sizeof pid - 1, 0);
    pid[length > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return error_set(error, ERROR_FAILED,
                     "another outhookd (process %s) already serves %s: stop it first, or name "
                     "another --database",
                     *pid ? pid : "unknown", database_path);
}

static int store_lock_open(struct store_lock *lock, const char *path, struct error *error) {
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (lock->fd < 0 && errno == EROFS) /* it may be there; the store waits until it can write */
        lock->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lock->fd >= 0)
        return 0;
    return error_set(error, ERROR_FAILED,
                     "can't make %s: %s; the database's directory has to exist and be writable for "
                     "outhookd",
                     path, strerror(errno));
}

/* For people. A full disk may leave it out, and then nobody else's stays there, either. */
static void store_lock_sign(int fd) {
    char text[STORE_LOCK_TEXT_BYTES + 1];
    store_lock_text(text, 0);
    if (pwrite(fd, text, STORE_LOCK_TEXT_BYTES, 0) != STORE_LOCK_TEXT_BYTES && ftruncate(fd, 0) < 0)
        return;
}

int store_lock_take(struct store_lock *lock, const char *database_path, struct error *error) {
    struct stat status;
    lock->fd = -1;
    if (stat(database_path, &status) == 0 && S_ISDIR(status.st_mode))
        return error_set(error, ERROR_FAILED, "%s is a directory: name the database file in it",
                         database_path);
    char *path = store_lock_path(database_path);
    int r = store_lock_open(lock, path, error);
    if (!r && !store_lock_try(lock->fd))
        r = errno == EWOULDBLOCK
                ? store_lock_refuse(lock->fd, database_path, error)
                : error_set(error, ERROR_FAILED, "can't lock %s: %s", path, strerror(errno));
    else if (!r)
        store_lock_sign(lock->fd);
    free(path);
    if (r)
        store_lock_release(lock);
    return r;
}

void store_lock_text(char text[STORE_LOCK_TEXT_BYTES + 1], int in_flight) {
    memset(text, ' ', STORE_LOCK_TEXT_BYTES);
    int length = snprintf(text, STORE_LOCK_TEXT_BYTES, "%d\n" STORE_LOCK_IN_FLIGHT "%d",
                          (int)getpid(), in_flight);
    text[length] = ' ';
    text[STORE_LOCK_TEXT_BYTES - 1] = '\n';
    text[STORE_LOCK_TEXT_BYTES] = '\0';
}

void store_lock_release(struct store_lock *lock) {
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
