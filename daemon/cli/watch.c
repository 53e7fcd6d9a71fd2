#include "outhook/cli/watch.h"

#include "outhook/base/buffer.h"
#include "outhook/base/clock.h"
#include "outhook/cli/pager.h"
#include "outhook/cli/screen.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"

#include <stdio.h>

enum { WATCH_EVERY_MS = 2000, WATCH_LEAST_MS = 100, WATCH_MOST_MS = 86400000 };

static void watch_title(const char *title, int64_t every_ms) {
    struct buffer text = {0}, line = {0};
    buffer_print(&text, "%s, ", title);
    text_append_time(&text, clock_now().wall_ms);
    buffer_print(&text, ", every ");
    text_append_age(&text, every_ms);
    buffer_print(&text, screen_is_drawn() ? "; q ends it" : "; Ctrl-C ends it");
    text_append(&line, buffer_text(&text), text.length, terminal_columns());
    printf("%s%s%s\n\n", terminal_style(STYLE_DIM), buffer_text(&line),
           terminal_style(STYLE_PLAIN));
    buffer_free(&text);
    buffer_free(&line);
}

static int watch_loop(const char *title, int64_t every_ms, bool as_json,
                      int (*draw)(void *context, struct error *error), void *context,
                      struct error *error) {
    int r = 0, key = SCREEN_TIME;
    screen_open();
    while (!r && key != SCREEN_END) {
        screen_begin();
        if (terminal_is_stdout())
            watch_title(title, every_ms);
        r = draw(context, error);
        screen_end(!as_json);
        if (!r)
            key = screen_wait(every_ms);
    }
    screen_close();
    return r;
}

int watch_run(const struct watch *watch, const char *title, bool as_json,
              int (*draw)(void *context, struct error *error), void *context, struct error *error) {
    int64_t every_ms = watch->every.given ? watch->every.value : WATCH_EVERY_MS;
    if (watch->every.given && !watch->wanted)
        return error_set(error, ERROR_USAGE, "--every goes with --watch: give that, too");
    if (every_ms < WATCH_LEAST_MS || every_ms > WATCH_MOST_MS)
        return error_set(error, ERROR_USAGE, "--every has to be from 100ms to 1d");
    if (watch->wanted)
        return watch_loop(title, every_ms, as_json, draw, context, error);
    pager_start();
    return draw(context, error);
}
