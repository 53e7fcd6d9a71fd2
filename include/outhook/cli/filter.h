#ifndef OUTHOOK_CLI_FILTER_H
#define OUTHOOK_CLI_FILTER_H

/*
 * What says which deliveries, the same with every verb: the options, and ids as operands.
 */

#include "outhook/cli/option.h"
#include "outhook/cli/verb.h"
#include "outhook/store/selection.h"

struct filter {
    struct option_texts statuses; /* each may be several, parted by commas */
    const char *endpoint, *type, *webhook, *error;
    struct option_number since, until;
    bool missing, held;
};

#define FILTER_OPTION(settings, field, name, argument, kind, help)                                 \
    { name, argument, kind, offsetof(settings, field), 0, 0, help }

/* The rows of an option table for the `struct filter` that is a verb's settings' member. */
#define FILTER_OPTIONS(settings, member)                                                            \
    FILTER_OPTION(settings, member.statuses, "status", "STATUS,…", OPTION_TEXTS,                    \
                  "Only with this status: pending, delivered, failed, expired or cancelled; or "    \
                  "several, parted by commas."),                                                    \
        FILTER_OPTION(settings, member.endpoint, "endpoint", "ENDPOINT", OPTION_TEXT,               \
                      "Only of this endpoint; a URL names one that has no name."),                  \
        FILTER_OPTION(settings, member.type, "type", "TYPE", OPTION_TEXT,                           \
                      "Only of webhooks of this type; 'invoice.*' matches several."),               \
        FILTER_OPTION(settings, member.webhook, "webhook", "WEBHOOK", OPTION_TEXT,                  \
                      "Only of this webhook; its id or its uid."),                                  \
        FILTER_OPTION(settings, member.since, "since", "WHEN", OPTION_TIME,                         \
                      "Only what was enqueued since then: in the last 30m, 2h, 7d …, or since a " \
                      "time in UTC: 2026-05-01, 2026-05-01T12:30."),                                \
        FILTER_OPTION(settings, member.until, "until", "WHEN", OPTION_TIME,                         \
                      "Only what was enqueued before that: longer ago, or before a time."),         \
        FILTER_OPTION(settings, member.error, "error", "ERROR", OPTION_TEXT,                        \
                      "Only what ended so at its last attempt: 503, 5xx, a part of the error's "    \
                      "text, or a pattern for all of it such as 'can*connect*'."),                  \
        FILTER_OPTION(settings, member.missing, "missing", NULL, OPTION_FLAG,                       \
                      "Only what has never arrived: no attempt to bring the same webhook to the "   \
                      "same endpoint has succeeded."),                                              \
        FILTER_OPTION(settings, member.held, "held", NULL, OPTION_FLAG, "Only what is on hold.")

/* Makes the selection of a filter; it points into the filter's texts. */
int filter_selection(const struct filter *filter, struct selection *selection,
                     struct error *error) must_check;

/* Says that a word of `length` bytes is no status, and which one may have been meant. Returns
 * ERROR_USAGE. */
int filter_refuse_status(const char *word, size_t length, struct error *error);

/* Whether any condition was given. */
bool filter_given(const struct filter *filter);

/* ---- ids ------------------------------------------------------------------------------------- */

/* Starts as {0}. */
struct filter_ids {
    int64_t *items; /* those that were given one by one */
    size_t count, capacity;
    struct selection_range ranges[SELECTION_RANGES_MAX];
    size_t range_count;
    struct buffer json; /* the items, as a selection wants them */
};

/* Whether an operand means deliveries: 17, 10-20, or - for ids on the standard input. */
bool filter_is_id(const char *operand);

/* Reads all operands as such. Freed with filter_ids_free(), also after an error. */
int filter_ids_read(const struct command *command, struct filter_ids *ids,
                    struct error *error) must_check;

void filter_ids_free(struct filter_ids *ids);

/* Narrows a selection to the ids, if there are any; it points into them. */
void filter_ids_select(const struct filter_ids *ids, struct selection *selection);

#endif
