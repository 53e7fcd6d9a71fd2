#include "outhook/store/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int store_lock_refuse(int fd, const char *database_path, struct error *error) {
    char pid[32] = "";
    ssize_t length = pread(fd, pid, sizeof pid - 1, 0);
    pid[length > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return error_set(error, ERROR_FAILED,
                     "another outhookd (process %s) already serves %s: stop it first, or name "
                     "another --database",
                     *pid ? pid : "unknown", database_path);
}

int store_lock_take(struct store_lock *lock, const char *database_path, struct error *error) {
    char *path;
    if (asprintf(&path, "%s.lock", database_path) < 0)
        abort();

    int r = 0;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (lock->fd < 0)
        r = error_set(error, ERROR_FAILED, "can't open %s: %s", path, strerror(errno));
    else if (flock(lock->fd, LOCK_EX | LOCK_NB) < 0)
        r = errno == EWOULDBLOCK
                ? store_lock_refuse(lock->fd, database_path, error)
                : error_set(error, ERROR_FAILED, "can't lock %s: %s", path, strerror(errno));
    else if (ftruncate(lock->fd, 0) < 0 || dprintf(lock->fd, "%d\n", (int)getpid()) < 0)
        r = error_set(error, ERROR_FAILED, "can't write %s: %s", path, strerror(errno));
    free(path);
    if (r)
        store_lock_release(lock);
    return r;
}

void store_lock_release(struct store_lock *lock) {
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
