#ifndef OUTHOOK_SERVICE_SUPERVISOR_H
#define OUTHOOK_SERVICE_SUPERVISOR_H

/*
 * The daemon's life: starts the parts together, passes on signals, and stops the parts in order.
 *
 *      WAITING (after failures in a row) ──time is up──▶ STARTING, ──SIGTERM, SIGINT──▶ STOPPED
 *
 *      STARTING ──all parts ready, lanes loaded──▶ RUNNING ──SIGHUP──▶ (reload) ──▶ RUNNING
 *          │                                          │
 *          ├──────────────SIGTERM, SIGINT─────────────┴──▶ DRAINING ──drained, or the time is up,
 *          │                                                  │       or a second signal──▶ STOPPED
 *          └──any part fails───────────────────────────────────────────────────────────▶ STOPPED
 *
 * Stopping: the workers give up what they still have, the store writes all that was asked for and
 * empties the log. What was given up stays pending and is not charged an attempt.
 */

#include "outhook/base/error.h"
#include "outhook/runtime/config.h"

/* How the configuration was made, so that a reload makes it the same way. */
struct supervisor_options {
    const char *config_path; /* NULL: the default */
    const struct config_override *overrides;
    int override_count;
};

/* Runs the daemon until it is stopped (0) or a part fails (the first part's error). `config` is
 * changed by reloads. The main thread, once. */
int supervisor_run(struct config *config, const struct supervisor_options *options,
                   struct error *error) must_check;

#endif
