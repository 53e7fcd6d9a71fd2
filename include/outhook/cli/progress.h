#ifndef OUTHOOK_CLI_PROGRESS_H
#define OUTHOOK_CLI_PROGRESS_H

/*
 * A bar on stderr, when that is a terminal, for what takes longer than a second; and Ctrl-C, which
 * ends such work between two steps, so that what was done can still be told. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int64_t total;
    int64_t started_mono_ms, printed_mono_ms; /* printed: 0: not yet */
    bool terminal;
};

/* Begins something of `total` steps, and catches SIGINT and SIGTERM from here on. */
struct progress progress_begin(int64_t total);

/* Shows that `done` of them are done. Cheap: it prints at most ten times a second. Returns false
 * once a signal has come: stop there. */
bool progress_show(struct progress *progress, int64_t done);

/* Takes the bar away. */
void progress_end(struct progress *progress);

#endif
