/*
 * A disk that fails, records and kills, to be preloaded into the daemon, the command and sqlite3.
 *
 *     OUTHOOK_DISK_DATABASE=/path/outhook.db   whose files are meant: it, -wal, -journal, -shm, and
 *                                              the copy that is made before a migration
 *     OUTHOOK_DISK_CONTROL=FILE                struct control: which calls fail, when to die
 *     OUTHOOK_DISK_RECORD=FILE                 changes and syncs of these files go here
 *     OUTHOOK_DISK_TOLD=WORDS                  and when a process says these words, to stderr
 *     OUTHOOK_DISK_SYNC_MS=N                   a sync that is recorded takes so long
 *
 * disk.py is the other side. What SQLite does to the database's files passes through here on its
 * way to the C library: it calls these by name. Shared memory (-shm) is mapped and means nothing
 * after a crash, so it is not recorded. A record is made and its call carried out under one lock
 * that all processes share, so that the order of the records is the order in which it happened.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536 };

/* A copy is made under a name of its own, is renamed to be the fresh one, and then the copy. */
enum file { OTHER, DATABASE, WAL, JOURNAL, SHM, DIRECTORY, COPY_TEMPORARY, COPY_FRESH, COPY };

/* Marks are also made by disk.py, and have a number for an offset. */
enum operation { CREATE = 1, WRITE, TRUNCATE, SYNC, UNLINK, MARK, RENAME };

enum { TOLD = -1 }; /* the number of the mark that words make */

/* disk.py writes it, and reads the counts. */
struct control {
    int32_t open_errno, read_errno, write_errno, sync_errno; /* 0: the call succeeds */
    int32_t files;                                           /* a bit for each file they are for */
    int32_t unused;
    _Atomic int64_t changes;  /* writes, truncations, syncs and removals so far */
    int64_t die_at;           /* the number of the change before which the process is killed */
    _Atomic int64_t failed;   /* calls that were made to fail */
    int64_t bad_from, bad_to; /* bytes of the database that can't be read */
};

/* What stands before the bytes of a record. The offset of what is renamed is the other file. */
struct record {
    uint32_t operation, file;
    int64_t offset, length;
};

static char database_path[PATH_MAX], directory_path[PATH_MAX];
static struct control *control;
static int record_fd = -1;
static const char *told_words;
static long sync_ms;
static atomic_uchar files[FDS_MAX];

/* ---- what is preloaded over ------------------------------------------------------------------ */

static struct {
    ssize_t (*write)(int fd, const void *bytes, size_t length);
    int (*open)(const char *path, int flags, ...);
    int (*close)(int fd);
    int (*unlink)(const char *path);
    int (*rename)(const char *from, const char *to);
    int (*mkostemp)(char *path, int flags);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*ftruncate)(int fd, off_t length);
    ssize_t (*pread)(int fd, void *bytes, size_t length, off_t offset);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t length, off_t offset);
} real;

/* POSIX lets a pointer from dlsym() be a function; ISO C has no cast for it. */
static void find(void *function, const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol)
        abort();
    memcpy(function, &symbol, sizeof symbol);
}

static void name_paths(const char *path) {
    size_t length = strlen(path);
    if (length + sizeof "-journal" > sizeof database_path)
        abort();
    memcpy(database_path, path, length + 1);
    memcpy(directory_path, path, length + 1);
    char *slash = strrchr(directory_path, '/');
    if (slash)
        *slash = '\0';
}

__attribute__((constructor)) static void begin(void) {
    find(&real.write, "write");
    find(&real.open, "open");
    find(&real.close, "close");
    find(&real.unlink, "unlink");
    find(&real.rename, "rename");
    find(&real.mkostemp, "mkostemp");
    find(&real.fsync, "fsync");
    find(&real.fdatasync, "fdatasync");
    find(&real.ftruncate, "ftruncate");
    find(&real.pread, "pread");
    find(&real.pwrite, "pwrite");
    const char *path = getenv("OUTHOOK_DISK_DATABASE");
    const char *shared = getenv("OUTHOOK_DISK_CONTROL"), *record = getenv("OUTHOOK_DISK_RECORD");
    const char *slow = getenv("OUTHOOK_DISK_SYNC_MS");
    told_words = getenv("OUTHOOK_DISK_TOLD");
    sync_ms = slow ? strtol(slow, NULL, 10) : 0;
    if (path)
        name_paths(path);
    if (shared) {
        int fd = real.open(shared, O_RDWR | O_CLOEXEC);
        void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
            abort();
        real.close(fd);
        control = memory;
    }
    if (record && (record_fd = real.open(record, O_WRONLY | O_APPEND | O_CLOEXEC)) < 0)
        abort();
}

/* ---- which file ------------------------------------------------------------------------------ */

/* What follows ".schema-": a number, ".backup", and what its state adds. */
static enum file which_copy(const char *ending) {
    static const char fresh[] = ".backup.new";
    const char *state = strstr(ending, ".backup");
    if (!state || strchr(ending, '-')) /* no journal of a copy */
        return OTHER;
    return !strcmp(state, ".backup")                  ? COPY
           : !strcmp(state, fresh)                    ? COPY_FRESH
           : !strncmp(state, fresh, sizeof fresh - 1) ? COPY_TEMPORARY
                                                      : OTHER;
}

static enum file which(const char *path) {
    size_t length = strlen(database_path);
    if (!length || !path)
        return OTHER;
    if (!strcmp(path, directory_path))
        return DIRECTORY;
    if (strncmp(path, database_path, length))
        return OTHER;
    const char *ending = path + length;
    static const char copy[] = ".schema-";
    if (!strncmp(ending, copy, sizeof copy - 1))
        return which_copy(ending + sizeof copy - 1);
    return !*ending                      ? DATABASE
           : !strcmp(ending, "-wal")     ? WAL
           : !strcmp(ending, "-journal") ? JOURNAL
           : !strcmp(ending, "-shm")     ? SHM
                                         : OTHER;
}

static enum file which_fd(int fd) {
    return fd >= 0 && fd < FDS_MAX ? (enum file)atomic_load(&files[fd]) : OTHER;
}

/* ---- failing --------------------------------------------------------------------------------- */

static bool fails(enum file file, int32_t number) {
    if (!number || !(control->files >> file & 1))
        return false;
    atomic_fetch_add(&control->failed, 1);
    errno = number;
    return true;
}

static bool open_fails(enum file file) {
    return control && file != OTHER && fails(file, control->open_errno);
}

static bool read_fails(enum file file, off_t offset, size_t length) {
    if (!control || file == OTHER)
        return false;
    bool bad =
        file == DATABASE && offset < control->bad_to && offset + (off_t)length > control->bad_from;
    return fails(file, bad ? EIO : control->read_errno);
}

/* Counts a change; the process may end before it. */
static void count_change(enum file file) {
    if (!control || file == SHM)
        return;
    if (atomic_fetch_add(&control->changes, 1) + 1 == control->die_at)
        kill(getpid(), SIGKILL);
}

static bool change_fails(enum file file, int32_t number) {
    return control && fails(file, number);
}

/* ---- recording ------------------------------------------------------------------------------- */

static bool records(enum file file) {
    return record_fd >= 0 && file != SHM && file != OTHER;
}

static void record_begin(void) {
    while (flock(record_fd, LOCK_EX) && errno == EINTR)
        ;
}

static void record_end(void) {
    int kept = errno;
    flock(record_fd, LOCK_UN);
    errno = kept;
}

static void record(enum operation operation, enum file file, int64_t offset, int64_t length,
                   const void *bytes) {
    struct record head = {operation, file, offset, length};
    char *pieces = malloc(sizeof head + (bytes ? (size_t)length : 0));
    size_t total = sizeof head;
    if (!pieces)
        abort();
    memcpy(pieces, &head, sizeof head);
    if (bytes) {
        memcpy(pieces + total, bytes, (size_t)length);
        total += (size_t)length;
    }
    if (real.write(record_fd, pieces, total) != (ssize_t)total)
        abort();
    free(pieces);
}

/* ---- the calls ------------------------------------------------------------------------------- */

static int open_file(const char *path, int flags, mode_t mode) {
    enum file file = which(path);
    if (file == OTHER)
        return real.open(path, flags, mode);
    if (open_fails(file))
        return -1;
    struct stat status;
    bool creates = records(file) && (flags & O_CREAT);
    if (creates)
        record_begin();
    bool existed = creates && stat(path, &status) == 0;
    int fd = real.open(path, flags, mode);
    if (creates && fd >= 0 && !existed)
        record(CREATE, file, 0, 0, NULL);
    if (creates)
        record_end();
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&files[fd], (unsigned char)file);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_file(path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&files[fd], OTHER);
    return real.close(fd);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    return read_fails(which_fd(fd), offset, length) ? -1 : real.pread(fd, bytes, length, offset);
}

ssize_t pread64(int fd, void *bytes, size_t length, off_t offset) {
    return pread(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    enum file file = which_fd(fd);
    if (file == OTHER)
        return real.pwrite(fd, bytes, length, offset);
    count_change(file);
    if (change_fails(file, control ? control->write_errno : 0))
        return -1;
    if (!records(file))
        return real.pwrite(fd, bytes, length, offset);
    record_begin();
    ssize_t written = real.pwrite(fd, bytes, length, offset);
    if (written > 0)
        record(WRITE, file, offset, written, bytes);
    record_end();
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite(fd, bytes, length, offset);
}

int ftruncate(int fd, off_t length) {
    enum file file = which_fd(fd);
    if (file == OTHER)
        return real.ftruncate(fd, length);
    count_change(file);
    if (change_fails(file, control ? control->write_errno : 0))
        return -1;
    if (!records(file))
        return real.ftruncate(fd, length);
    record_begin();
    int r = real.ftruncate(fd, length);
    if (!r)
        record(TRUNCATE, file, length, 0, NULL);
    record_end();
    return r;
}

int ftruncate64(int fd, off_t length) {
    return ftruncate(fd, length);
}

static int sync_file(int fd, int (*sync)(int fd)) {
    enum file file = which_fd(fd);
    if (file == OTHER)
        return sync(fd);
    count_change(file);
    if (change_fails(file, control ? control->sync_errno : 0))
        return -1;
    if (!records(file))
        return sync(fd);
    nanosleep(&(struct timespec){sync_ms / 1000, sync_ms % 1000 * 1000000}, NULL);
    record_begin();
    int r = sync(fd);
    if (!r)
        record(SYNC, file, 0, 0, NULL);
    record_end();
    return r;
}

int fsync(int fd) {
    return sync_file(fd, real.fsync);
}

int fdatasync(int fd) {
    return sync_file(fd, real.fdatasync);
}

int unlink(const char *path) {
    enum file file = which(path);
    if (file == OTHER)
        return real.unlink(path);
    count_change(file);
    if (change_fails(file, control ? control->write_errno : 0))
        return -1;
    if (!records(file))
        return real.unlink(path);
    record_begin();
    int r = real.unlink(path);
    if (!r)
        record(UNLINK, file, 0, 0, NULL);
    record_end();
    return r;
}

int rename(const char *from, const char *to) {
    enum file file = which(from);
    if (file == OTHER)
        return real.rename(from, to);
    count_change(file);
    if (change_fails(file, control ? control->write_errno : 0))
        return -1;
    if (!records(file))
        return real.rename(from, to);
    record_begin();
    int r = real.rename(from, to);
    if (!r)
        record(RENAME, file, which(to), 0, NULL);
    record_end();
    return r;
}

/* The C library opens it without a look at open() above. */
int mkostemp(char *path, int flags) {
    bool recorded = record_fd >= 0;
    if (recorded)
        record_begin();
    int fd = real.mkostemp(path, flags);
    enum file file = fd >= 0 ? which(path) : OTHER;
    if (recorded && records(file))
        record(CREATE, file, 0, 0, NULL);
    if (recorded)
        record_end();
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&files[fd], (unsigned char)file);
    return fd;
}

/* Before they can be read, so that whoever acts on them comes later. */
ssize_t write(int fd, const void *bytes, size_t length) {
    if (fd == STDERR_FILENO && record_fd >= 0 && told_words &&
        memmem(bytes, length, told_words, strlen(told_words))) {
        record_begin();
        record(MARK, OTHER, TOLD, 0, NULL);
        record_end();
    }
    return real.write(fd, bytes, length);
}
