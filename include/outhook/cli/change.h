#ifndef OUTHOOK_CLI_CHANGE_H
#define OUTHOOK_CLI_CHANGE_H

/*
 * What replay and cancel have in common: they set the status of the deliveries that are selected by
 * id or by conditions, after a question when they are many.
 */

#include "outhook/cli/filter.h"
#include "outhook/cli/verb.h"
#include "outhook/store/operator.h"

struct change_settings {
    struct filter filter;
    bool all, dry_run, yes;
};

struct change {
    const char *verb;          /* "replay" */
    const char *past;          /* "replayed" */
    unsigned from;             /* the statuses that it may act on */
    unsigned from_unless_told; /* of these, the ones that a filter without --status means */
    const char *to;
    const char *only; /* "only finished deliveries" */
};

/* Their option table. */
extern const struct option_row change_options[];

/* Does it, and prints what it did. */
int change_run(const struct command *command, const struct change_settings *settings,
               const struct change *change, struct error *error) must_check;

#endif
