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
    FALLBACK_US = 250000,
    TIMER_SLACK_NS = 1000, /* of this thread's sleeps; the usual 50 us are as long as a step */
};

/* Each step somewhat longer than the last, so that a look comes soon after the commit however long
 * its fsync takes: within a fifth of that, while it is one that people would call fast. */
static const int64_t ladder_us[] = {0,     60,    120,   180,    250,   330,   420,   520,
                                    640,   780,   950,   1150,   1400,  1700,  2100,  2600,
                                    3200,  4000,  6000,  8000,   11000, 15000, 20000, 30000,
                                    40000, 60000, 80000, 120000, 160000};

enum { LADDER_STEPS = sizeof ladder_us / sizeof *ladder_us };

void watch_open(struct watch *watch, const char *database_path) {
    char directory[PATH_MAX];
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    const char *slash = strrchr(database_path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - database_path) + 1 : 1,
             slash ? database_path : ".");
    *watch = (struct watch){.step = LADDER_STEPS};
    const char *name = slash ? slash + 1 : database_path;
    snprintf(watch->database_name, sizeof watch->database_name, "%s", name);
    snprintf(watch->wal_name, sizeof watch->wal_name, "%s-wal", name);

    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd >= 0 &&
        inotify_add_watch(watch->fd, directory, IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE) < 0)
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

void watch_read(struct watch *watch, int64_t now_us) {
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t length;
    bool happened = false;
    while ((length = read(watch->fd, bytes, sizeof bytes)) > 0) {
        for (char *at = bytes; at < bytes + length;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            bool any = !event->len; /* too many to tell apart */
            happened |= any || !strcmp(event->name, watch->wal_name);
            watch->database_writes +=
                any || ((event->mask & IN_MODIFY) && !strcmp(event->name, watch->database_name));
            at += sizeof *event + event->len;
        }
    }
    if (happened)
        watch_start_ladder(watch, now_us);
}

bool watch_due(struct watch *watch, int64_t now_us) {
    if (now_us < watch->look_at_us)
        return false;
    while (watch->step < LADDER_STEPS && watch->event_at_us + ladder_us[watch->step] <= now_us)
        watch->step++;
    watch->look_at_us = watch->step < LADDER_STEPS ? watch->event_at_us + ladder_us[watch->step]
                                                   : now_us + FALLBACK_US;
    return true;
}
