#ifndef OUTHOOK_CLI_WATCH_H
#define OUTHOOK_CLI_WATCH_H

/*
 * --watch: a verb that shows something shows it again and again.
 */

#include "outhook/base/error.h"
#include "outhook/cli/option.h"

#include <stdbool.h>

struct watch {
    bool wanted;
    struct option_number every;
};

/* The rows of an option table for the `struct watch` that is a verb's settings' member. */
#define WATCH_OPTIONS(settings, member)                                                            \
    {"watch",                                                                                      \
     NULL,                                                                                         \
     OPTION_FLAG,                                                                                  \
     offsetof(settings, member.wanted),                                                            \
     0,                                                                                            \
     0,                                                                                            \
     "Show it again every 2s, until q or Ctrl-C."},                                                \
    {                                                                                              \
        "every", "DURATION", OPTION_DURATION, offsetof(settings, member.every), 0, 0,              \
            "With --watch: so often; from 100ms to 1d."                                            \
    }

/* Prints by `draw`: once, through a pager where that helps, or as often as is wanted. `title` says
 * what it is, in the first line on a terminal. With `as_json` pictures in a pipe follow each other
 * without an empty line. Returns what `draw` does, at its first error. */
int watch_run(const struct watch *watch, const char *title, bool as_json,
              int (*draw)(void *context, struct error *error), void *context,
              struct error *error) must_check;

#endif
