#ifndef OUTHOOK_CLI_FILTER_H
#define OUTHOOK_CLI_FILTER_H

/*
 * The options that say which deliveries, which list, replay and cancel have in common.
 */

#include "outhook/cli/option.h"
#include "outhook/store/selection.h"

struct filter {
    struct option_texts statuses; /* each may be several, parted by commas */
    const char *endpoint, *type, *webhook;
    struct option_number since, until; /* so long ago */
};

/* The rows of an option table for the `struct filter` that is a verb's settings' member. */
#define FILTER_OPTIONS(settings, member)                                                           \
    {"status",                                                                                     \
     "STATUS,…",                                                                                   \
     OPTION_TEXTS,                                                                                 \
     offsetof(settings, member.statuses),                                                          \
     0,                                                                                            \
     0,                                                                                            \
     "Only with this status: pending, delivered, failed, expired or cancelled; or several, "       \
     "parted by commas."},                                                                         \
        {"endpoint",                                                                               \
         "ENDPOINT",                                                                               \
         OPTION_TEXT,                                                                              \
         offsetof(settings, member.endpoint),                                                      \
         0,                                                                                        \
         0,                                                                                        \
         "Only of this endpoint; a URL names one that has no name."},                              \
        {"type",                                                                                   \
         "TYPE",                                                                                   \
         OPTION_TEXT,                                                                              \
         offsetof(settings, member.type),                                                          \
         0,                                                                                        \
         0,                                                                                        \
         "Only of webhooks of this type; 'invoice.*' matches several."},                           \
        {"webhook",                                                                                \
         "ID",                                                                                     \
         OPTION_TEXT,                                                                              \
         offsetof(settings, member.webhook),                                                       \
         0,                                                                                        \
         0,                                                                                        \
         "Only of this webhook; its id or its uid."},                                              \
        {"since",                                                                                  \
         "DURATION",                                                                               \
         OPTION_DURATION,                                                                          \
         offsetof(settings, member.since),                                                         \
         0,                                                                                        \
         0,                                                                                        \
         "Only what was enqueued in the last 30m, 2h, 7d …"},                                      \
    {                                                                                              \
        "until", "DURATION", OPTION_DURATION, offsetof(settings, member.until), 0, 0,              \
            "Only what was enqueued longer ago than that."                                         \
    }

/* Makes the selection of a filter; it points into the filter's texts. */
int filter_selection(const struct filter *filter, struct selection *selection,
                     struct error *error) must_check;

/* Whether any condition was given. */
bool filter_given(const struct filter *filter);

#endif
