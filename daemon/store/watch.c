#include "outhook/store/watch.h"

#include "outhook/base/clock.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    GAP_MAX_US = 10000000,     /* between two looks */
    BLIND_GAP_MAX_US = 250000, /* the same where events don't tell when to look */
    TOLD_WITHIN_US = 20000000, /* a commit that is found later than this after one had none */
    TIMER_SLACK_NS = 1000,     /* of this thread's sleeps; the usual 50 us are as long as a step */
};

/* Each step somewhat longer than the last, so that a look comes soon after the commit however long
 * its fsync takes: within a fifth of that, while it is one that people would call fast. What comes
 * after these rungs needs no table: watch_gap(). */
static const int64_t ladder_us[] = {0,   60,   120,  180,  250,  330,  420,  520,  640,  780,
                                    950, 1150, 1400, 1700, 2100, 2600, 3200, 4000, 6000, 8000};

enum { LADDER_STEPS = sizeof ladder_us / sizeof *ladder_us };

void watch_open(struct watch *watch, const char *database_path) {
    char directory[PATH_MAX];
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    const char *slash = strrchr(database_path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - database_path) + 1 : 1,
             slash ? database_path : ".");
    *watch = (struct watch){0};
    const char *name = slash ? slash + 1 : database_path;
    snprintf(watch->database_name, sizeof watch->database_name, "%s", name);
    snprintf(watch->wal_name, sizeof watch->wal_name, "%s-wal", name);

    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd >= 0 && inotify_add_watch(watch->fd, directory,
                                            IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                                IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
        watch_close(watch);
}

void watch_close(struct watch *watch) {
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

void watch_wait(struct watch *watch, struct waker *waker, int64_t wait_us) {
    struct pollfd fds[] = {{.fd = waker->fd, .events = POLLIN},
                           {.fd = watch->fd, .events = POLLIN}};
    struct timespec timeout = {0};
    if (wait_us > 0)
        timeout = (struct timespec){wait_us / 1000000, wait_us % 1000000 * 1000};
    ppoll(fds, sizeof fds / sizeof *fds, &timeout, NULL);
    if (fds[0].revents)
        waker_take(waker);
    if (fds[1].revents)
        watch_read(watch, clock_mono_us());
}

static void watch_start_ladder(struct watch *watch, int64_t now_us) {
    watch->event_at_us = now_us;
    watch->step = 0;
    watch->look_at_us = now_us;
}

static void watch_event(struct watch *watch, const struct inotify_event *event, bool *happened) {
    bool any = !event->len; /* too many to tell apart, or the directory's own */
    bool log = any || !strcmp(event->name, watch->wal_name);
    bool database = any || !strcmp(event->name, watch->database_name);
    bool renamed = event->mask & (IN_CREATE | IN_DELETE | IN_MOVE);
    bool copied = any || (database && (event->mask & IN_MODIFY));
    *happened |= log || copied; /* a checkpoint of another's looks like a commit, too */
    watch->database_writes += copied;
    watch->log_writes += any || (log && (event->mask & IN_MODIFY));
    watch->renames += any || ((log || database) && renamed);
}

void watch_read(struct watch *watch, int64_t now_us) {
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t length;
    bool happened = false;
    if (watch->fd < 0)
        return;
    while ((length = read(watch->fd, bytes, sizeof bytes)) > 0) {
        for (char *at = bytes; at < bytes + length;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            watch_event(watch, event, &happened);
            at += sizeof *event + event->len;
        }
    }
    if (happened)
        watch_start_ladder(watch, now_us);
}

/* From the last rung of the table on: a third of the time that has passed, up to the longest. */
static int64_t watch_gap(const struct watch *watch, int64_t now_us) {
    int64_t gap_us = (now_us - watch->event_at_us) / 3;
    int64_t max_us = watch->fd < 0 || watch->blind ? BLIND_GAP_MAX_US : GAP_MAX_US;
    return gap_us < max_us ? gap_us : max_us;
}

bool watch_due(struct watch *watch, int64_t now_us) {
    if (now_us < watch->look_at_us)
        return false;
    if (!watch->event_at_us)
        watch_start_ladder(watch, now_us);
    while (watch->step < LADDER_STEPS && watch->event_at_us + ladder_us[watch->step] <= now_us)
        watch->step++;
    watch->look_at_us = watch->step < LADDER_STEPS ? watch->event_at_us + ladder_us[watch->step]
                                                   : now_us + watch_gap(watch, now_us);
    return true;
}

bool watch_found(struct watch *watch, int64_t now_us) {
    if (watch->fd < 0 || watch->blind)
        return false;
    watch_read(watch, now_us); /* the event may have come since this thread woke */
    watch->blind = now_us - watch->event_at_us > TOLD_WITHIN_US;
    return watch->blind;
}
