#ifndef OUTHOOK_CLI_CHANGE_H
#define OUTHOOK_CLI_CHANGE_H

/*
 * What the verbs that change many deliveries have in common: which ones, by ids or by conditions;
 * how many; a question on a terminal; then slice after slice with a bar, until all is done or
 * Ctrl-C; and what was done.
 */

#include "outhook/cli/filter.h"
#include "outhook/cli/verb.h"
#include "outhook/store/operator.h"

struct change_settings {
    struct filter filter;
    struct option_number limit;
    bool all, dry_run, yes;
};

struct change {
    const char *verb;          /* "replay" */
    const char *past;          /* "replayed" */
    const char *act, *to;      /* what it does to deliveries: "set" … "to pending" */
    const char *did;           /* "set to pending" */
    unsigned from_unless_told; /* the statuses that a filter without --status means */
    const char *only;          /* which ones it can be done to: "only finished deliveries" */
    struct operator_change change;
};

/* The rows of an option table for the `struct change_settings` that is a verb's settings' member.
 */
#define CHANGE_OPTIONS(settings, member)                                                           \
    FILTER_OPTIONS(settings, member.filter),                                                       \
        {"limit",                                                                                  \
         "N",                                                                                      \
         OPTION_INTEGER,                                                                           \
         offsetof(settings, member.limit),                                                         \
         1,                                                                                        \
         INT64_MAX,                                                                                \
         "At most so many, the oldest first."},                                                    \
        FILTER_OPTION(settings, member.all, "all", NULL, OPTION_FLAG,                              \
                      "Whatever it is, without any of these conditions."),                         \
        FILTER_OPTION(settings, member.dry_run, "dry-run", NULL, OPTION_FLAG,                      \
                      "Change nothing, print how many it would be."),                              \
        FILTER_OPTION(settings, member.yes, "yes", NULL, OPTION_FLAG, "Don't ask.")

/* An option table of these alone. */
extern const struct option_row change_options[];

/* Does it, and prints what it did. */
int change_run(const struct command *command, const struct change_settings *settings,
               const struct change *change, struct error *error) must_check;

#endif
