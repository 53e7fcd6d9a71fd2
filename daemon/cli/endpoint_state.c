#include "outhook/cli/endpoint.h"
#include "outhook/store/endpoint_admin.h"
#include "outhook/store/operator.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    REMOVE_CANCEL_AT_ONCE = 500, /* deliveries cancelled in the transaction that removes */
    REMOVE_ROUNDS = 20,          /* of cancelling what producers go on to insert */
};

struct enable_settings {
    const char *reason;
};

struct remove_settings {
    bool cancel_pending, dry_run;
};

static const struct option_row disable_options[] = {
    {"reason", "TEXT", OPTION_TEXT, offsetof(struct enable_settings, reason), 0, 0,
     "Why, for list and show; 'disabled by hand' by default."},
    {0},
};

static const struct option_row remove_options[] = {
    {"cancel-pending", NULL, OPTION_FLAG, offsetof(struct remove_settings, cancel_pending), 0, 0,
     "Cancel the deliveries that are still to be made, instead of refusing."},
    {"dry-run", NULL, OPTION_FLAG, offsetof(struct remove_settings, dry_run), 0, 0,
     "Change nothing, print how many deliveries are pending."},
    {0},
};

static const char *deliveries(int64_t count) {
    return count == 1 ? "delivery" : "deliveries";
}

/* ---- enable, disable ------------------------------------------------------------------------- */

static int state_tell(struct database *database, const struct endpoint_record *record, bool enabled,
                      struct error *error) {
    struct endpoint_health_list list;
    int r = endpoint_health_read(database, record->id, true, &list, error);
    if (r)
        return r;
    int64_t pending = list.count ? list.rows[0].pending : 0;
    printf("%s is %s", endpoint_record_label(record), enabled ? "enabled" : "disabled");
    if (pending)
        printf("; %" PRId64 " pending %s %s", pending, deliveries(pending),
               enabled        ? "will be sent"
               : pending == 1 ? "waits"
                              : "wait");
    printf("\n");
    endpoint_health_list_free(&list);
    return 0;
}

static int state_set(const struct command *command, bool enabled, const char *reason,
                     struct error *error) {
    struct endpoint_record record;
    struct database database;
    int r = endpoint_open(command, 1, DATABASE_PERSON, &database, &record, error);
    if (r)
        return r;
    if (!enabled || !record.enabled)
        r = endpoint_enable(&database, record.id, enabled, reason, error);
    if (!r)
        r = state_tell(&database, &record, enabled, error);
    endpoint_close(&database, &record);
    return r;
}

static int enable_run(const struct command *command, const void *settings, struct error *error) {
    (void)settings;
    return state_set(command, true, NULL, error);
}

static int disable_run(const struct command *command, const void *settings, struct error *error) {
    const struct enable_settings *disable = settings;
    return state_set(command, false, disable->reason, error);
}

/* ---- remove ---------------------------------------------------------------------------------- */

/* In slices, so that nobody waits long for the lock. */
static int remove_cancel(struct database *database, const struct endpoint_record *record,
                         int64_t *cancelled, struct error *error) {
    const struct selection selection = {.endpoint_id = record->id};
    const struct operator_change cancel = {.act = OPERATOR_CANCEL};
    struct operator_result result;
    int r = operator_change_all(database, &selection, &cancel, &result, NULL, NULL, error);
    *cancelled += result.changed;
    return r;
}

static int remove_cancelling(struct database *database, const struct endpoint_record *record,
                             struct error *error) {
    int64_t cancelled = 0, pending = INT64_MAX;
    int r = 0;
    for (int i = 0; !r && pending > REMOVE_CANCEL_AT_ONCE && i < REMOVE_ROUNDS; i++) {
        r = remove_cancel(database, record, &cancelled, error);
        if (!r)
            r = endpoint_remove(database, record->id, REMOVE_CANCEL_AT_ONCE, &pending, error);
    }
    if (r)
        return r;
    if (pending > REMOVE_CANCEL_AT_ONCE)
        return error_set(error, ERROR_FAILED,
                         "%" PRId64 " deliveries are cancelled, but ever more are enqueued to "
                         "%.200s: stop what does that, then try again",
                         cancelled, endpoint_record_label(record));
    cancelled += pending;
    printf("%s is removed, %" PRId64 " %s cancelled\n", endpoint_record_label(record), cancelled,
           deliveries(cancelled));
    return 0;
}

static int remove_idle(struct database *database, const struct endpoint_record *record,
                       struct error *error) {
    int64_t pending = 0;
    int r = endpoint_remove(database, record->id, 0, &pending, error);
    if (!r && pending)
        return error_set(error, ERROR_FAILED,
                         "%.200s has %" PRId64
                         " pending %s: --cancel-pending cancels %s first, and "
                         "outhook endpoint disable lets %s wait",
                         endpoint_record_label(record), pending, deliveries(pending),
                         pending == 1 ? "it" : "them", pending == 1 ? "it" : "them");
    if (!r)
        printf("%s is removed\n", endpoint_record_label(record));
    return r;
}

static int remove_preview(struct database *database, const struct endpoint_record *record,
                          struct error *error) {
    struct endpoint_health_list list;
    int r = endpoint_health_read(database, record->id, true, &list, error);
    if (r)
        return r;
    int64_t pending = list.count ? list.rows[0].pending : 0;
    printf("would remove %s, and cancel %" PRId64 " %s\n", endpoint_record_label(record), pending,
           deliveries(pending));
    endpoint_health_list_free(&list);
    return 0;
}

static int remove_run(const struct command *command, const void *settings, struct error *error) {
    const struct remove_settings *remove = settings;
    struct endpoint_record record;
    struct database database;
    int r = endpoint_open(command, 1, DATABASE_PERSON, &database, &record, error);
    if (r)
        return r;
    r = remove->dry_run          ? remove_preview(&database, &record, error)
        : remove->cancel_pending ? remove_cancelling(&database, &record, error)
                                 : remove_idle(&database, &record, error);
    endpoint_close(&database, &record);
    return r;
}

/* ---- the verbs ------------------------------------------------------------------------------- */

const struct verb verb_endpoint_enable = {
    .within = "endpoint",
    .name = "enable",
    .operands = "ENDPOINT",
    .summary = "send to an endpoint again, what has waited first",
    .run = enable_run,
};

const struct verb verb_endpoint_disable = {
    .within = "endpoint",
    .name = "disable",
    .operands = "ENDPOINT",
    .summary = "send nothing to an endpoint; what is enqueued waits",
    .options = disable_options,
    .settings_bytes = sizeof(struct enable_settings),
    .run = disable_run,
};

const struct verb verb_endpoint_remove = {
    .within = "endpoint",
    .name = "remove",
    .operands = "ENDPOINT",
    .summary = "remove an endpoint, its secrets and its subscriptions",
    .description = "What became of its deliveries stays in the database.",
    .options = remove_options,
    .settings_bytes = sizeof(struct remove_settings),
    .run = remove_run,
};
