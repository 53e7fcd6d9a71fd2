#include "outhook/cli/progress.h"

#include "outhook/base/buffer.h"
#include "outhook/base/clock.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    PROGRESS_AFTER_MS = 1000,
    PROGRESS_EVERY_MS = 100,
    PROGRESS_BAR_LEAST = 10,
    PROGRESS_BAR_MOST = 40,
    PROGRESS_COLUMNS_USUAL = 80,
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

struct progress progress_begin(int64_t total) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return (struct progress){
        .total = total,
        .started_mono_ms = clock_now().mono_ms,
        .terminal = isatty(STDERR_FILENO),
    };
}

/* The width of stderr, which need not be that of stdout. */
static int progress_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
                                                                       : PROGRESS_COLUMNS_USUAL;
}

static void append_bar(struct buffer *line, int width, int64_t done, int64_t total) {
    int filled = total ? (int)(width * done / total) : width;
    buffer_print(line, "[");
    for (int i = 0; i < width; i++)
        buffer_print(line, i < filled ? "#" : ".");
    buffer_print(line, "] ");
}

/* "[####......]  40%  400 of 1000, 3s left" */
static void progress_print(const struct progress *progress, int64_t done, int64_t now_ms) {
    struct buffer words = {0}, line = {0};
    int64_t total = progress->total > done ? progress->total : done;
    buffer_print(&words, "%3d%%  %" PRId64 " of %" PRId64, total ? (int)(100 * done / total) : 100,
                 done, total);
    if (done) {
        buffer_print(&words, ", ");
        text_append_age(&words, (now_ms - progress->started_mono_ms) * (total - done) / done);
        buffer_print(&words, " left");
    }
    int columns = progress_columns(), room = columns - (int)words.length - 4;
    if (room >= PROGRESS_BAR_LEAST)
        append_bar(&line, room < PROGRESS_BAR_MOST ? room : PROGRESS_BAR_MOST, done, total);
    text_append(&line, buffer_text(&words), words.length, columns - 1);
    fprintf(stderr, "\r%s\033[K", buffer_text(&line));
    fflush(stderr);
    buffer_free(&line);
    buffer_free(&words);
}

bool progress_show(struct progress *progress, int64_t done) {
    int64_t now_ms = clock_now().mono_ms;
    if (progress->terminal && now_ms - progress->started_mono_ms >= PROGRESS_AFTER_MS &&
        now_ms - progress->printed_mono_ms >= PROGRESS_EVERY_MS) {
        progress_print(progress, done, now_ms);
        progress->printed_mono_ms = now_ms;
    }
    return !interrupted;
}

void progress_end(struct progress *progress) {
    if (progress->printed_mono_ms)
        fprintf(stderr, "\r\033[K");
    progress->printed_mono_ms = 0;
}
