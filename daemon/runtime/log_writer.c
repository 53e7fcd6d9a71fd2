#include "outhook/runtime/log_writer.h"

#include "outhook/base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
    WAITING_BYTES_MAX = 1024 * 1024, /* seconds of the most that is usual: 200 lines of 250 bytes */
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
};

static struct log_writer {
    const struct log_writer_ops *ops;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    bool running, idle, stopping, ended;
    struct log_record *first, **last;
    size_t waiting_bytes;
    uint64_t lost; /* lines left out since there was room the last time; 0: none */
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &writer.first};

struct log_record *log_record_new(size_t bytes) {
    struct log_record *record = memory_new(1, sizeof *record + bytes);
    record->bytes = bytes;
    return record;
}

static void writer_append(struct log_record *record) {
    record->next = NULL;
    *writer.last = record;
    writer.last = &record->next;
    writer.waiting_bytes += record->bytes;
}

/* There has to be room for many lines again, or the report would follow every other line. */
static void writer_tell_lost(void) {
    if (!writer.lost || writer.waiting_bytes > WAITING_BYTES_MAX / 2)
        return;
    writer_append(writer.ops->tell_lost(writer.lost));
    writer.lost = 0;
}

/* The next record, out of the queue; waits for one. NULL: the end. */
static struct log_record *writer_next(void) {
    while (!writer.first && !writer.stopping) {
        writer.idle = true;
        pthread_cond_wait(&writer.changed, &writer.lock);
        writer.idle = false;
    }
    struct log_record *record = writer.first;
    if (record && !(writer.first = record->next))
        writer.last = &writer.first;
    return record;
}

static void *writer_run(void *unused) {
    struct log_record *record;
    (void)unused;
    pthread_mutex_lock(&writer.lock);
    while ((record = writer_next())) {
        pthread_mutex_unlock(&writer.lock);
        writer.ops->write(record->text, record->bytes);
        pthread_mutex_lock(&writer.lock);
        writer.waiting_bytes -= record->bytes;
        free(record);
        writer_tell_lost();
    }
    writer.ended = true;
    pthread_cond_broadcast(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
    return NULL;
}

void log_writer_start(const struct log_writer_ops *ops) {
    sigset_t all, old;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    writer.ops = ops;

    sigfillset(&all); /* signals are for the loop */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_mutex_lock(&writer.lock);
    writer.running = pthread_create(&writer.thread, NULL, writer_run, NULL) == 0;
    if (writer.running)
        pthread_setname_np(writer.thread, "log");
    pthread_mutex_unlock(&writer.lock);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void log_writer_send(struct log_record *record) {
    pthread_mutex_lock(&writer.lock);
    bool takes = writer.running && !writer.stopping;
    bool full = writer.lost || writer.waiting_bytes + record->bytes > WAITING_BYTES_MAX;
    if (takes && !full) {
        writer_append(record);
        record = NULL;
        if (writer.idle)
            pthread_cond_broadcast(&writer.changed);
    } else if (takes) {
        writer.lost++;
    }
    bool directly = !writer.running && writer.ops;
    pthread_mutex_unlock(&writer.lock);
    if (record && directly)
        writer.ops->write(record->text, record->bytes);
    free(record);
}

static struct timespec writer_deadline(int64_t most_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + most_ms % MS_PER_S * NS_PER_MS;
    until.tv_sec += most_ms / MS_PER_S + ns / (MS_PER_S * NS_PER_MS);
    until.tv_nsec = ns % (MS_PER_S * NS_PER_MS);
    return until;
}

bool log_writer_stop(int64_t most_ms) {
    struct timespec until = writer_deadline(most_ms);
    int code = 0;
    pthread_mutex_lock(&writer.lock);
    if (!writer.running) {
        pthread_mutex_unlock(&writer.lock);
        return true;
    }
    writer.stopping = true;
    pthread_cond_broadcast(&writer.changed);
    while (!writer.ended && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&writer.changed, &writer.lock, &until);
    bool ended = writer.ended;
    writer.running = !ended; /* while it hangs, what comes is dropped */
    pthread_mutex_unlock(&writer.lock);
    if (ended)
        pthread_join(writer.thread, NULL);
    else
        pthread_detach(writer.thread);
    return ended;
}
