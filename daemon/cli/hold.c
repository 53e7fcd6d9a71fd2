/*
 * outhook hold and release: of deliveries, or of whole endpoints.
 *
 * An endpoint on hold is one that is disabled, for a reason that begins with "on hold": whoever
 * looks at it by other means sees that it is disabled and why, and only what was held is released.
 * An endpoint that outhookd has disabled, because it failed or was gone, is not: endpoint enable is
 * for that.
 */

#include "outhook/base/memory.h"
#include "outhook/cli/change.h"
#include "outhook/store/endpoint_admin.h"
#include "outhook/store/endpoint_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_REASON "on hold"

struct hold_settings {
    struct change_settings change;
    const char *reason;
};

static const struct option_row hold_options[] = {
    CHANGE_OPTIONS(struct hold_settings, change),
    {"reason", "TEXT", OPTION_TEXT, offsetof(struct hold_settings, reason), 0, 0,
     "Why, for list and show; of an endpoint."},
    {0},
};

static const struct change hold = {
    .verb = "hold",
    .past = "put on hold",
    .act = "put",
    .to = "on hold",
    .did = "put on hold",
    .from_unless_told = SELECTION_PENDING,
    .only = "only pending deliveries",
    .change = {.act = OPERATOR_HOLD},
};

static const struct change release = {
    .verb = "release",
    .past = "released",
    .act = "release",
    .to = "",
    .did = "released",
    .from_unless_told = SELECTION_PENDING,
    .only = "only pending deliveries that are on hold",
    .change = {.act = OPERATOR_RELEASE},
};

/* ---- endpoints ------------------------------------------------------------------------------- */

static bool is_on_hold(const struct endpoint_record *record) {
    return !record->enabled && record->disabled_reason &&
           !strncmp(record->disabled_reason, HOLD_REASON, strlen(HOLD_REASON));
}

static int hold_apply(struct database *database, const struct endpoint_record *record,
                      const char *why, struct error *error) {
    if (!record->enabled && !is_on_hold(record))
        return error_set(error, ERROR_FAILED, "%.200s sends nothing as it is: %.200s",
                         endpoint_record_label(record),
                         record->disabled_reason ? record->disabled_reason : "it is disabled");
    char *reason = memory_print(HOLD_REASON "%s%s", why ? ": " : "", why ? why : "");
    int r = endpoint_enable(database, record->id, false, reason, error);
    free(reason);
    return r;
}

static int release_apply(struct database *database, const struct endpoint_record *record,
                         struct error *error) {
    const char *label = endpoint_record_label(record);
    if (record->enabled)
        return error_set(error, ERROR_FAILED,
                         "%.200s is not on hold; single deliveries are released by id, or all of "
                         "them by --endpoint %.200s",
                         label, label);
    if (!is_on_hold(record))
        return error_set(error, ERROR_FAILED,
                         "%.200s is not on hold but disabled: %.200s; outhook endpoint enable "
                         "enables it",
                         label, record->disabled_reason ? record->disabled_reason : "by hand");
    return endpoint_enable(database, record->id, true, NULL, error);
}

static int endpoint_tell(struct database *database, const struct endpoint_record *record,
                         bool holds, struct error *error) {
    struct endpoint_health_list list;
    int r = endpoint_health_read(database, record->id, true, &list, error);
    if (r)
        return r;
    int64_t pending = list.count ? list.rows[0].pending : 0;
    printf("%s is %s", endpoint_record_label(record), holds ? "on hold" : "released");
    if (pending)
        printf("; %" PRId64 " pending %s %s", pending, pending == 1 ? "delivery" : "deliveries",
               !holds         ? "will be sent"
               : pending == 1 ? "waits"
                              : "wait");
    printf("\n");
    endpoint_health_list_free(&list);
    return 0;
}

static int endpoint_one(struct database *database, const char *name, bool holds, const char *why,
                        bool dry_run, struct error *error) {
    struct endpoint_record record;
    int r = endpoint_record_read(database, name, false, &record, error);
    if (r)
        return r;
    if (dry_run)
        printf("would %s %s\n", holds ? "put on hold" : "release", endpoint_record_label(&record));
    else
        r = holds ? hold_apply(database, &record, why, error)
                  : release_apply(database, &record, error);
    if (!r && !dry_run)
        r = endpoint_tell(database, &record, holds, error);
    endpoint_record_free(&record);
    return r;
}

static int endpoints_run(const struct command *command, const struct hold_settings *settings,
                         bool holds, struct error *error) {
    struct database database;
    if (filter_given(&settings->change.filter) || settings->change.all)
        return error_set(error, ERROR_USAGE,
                         "give either endpoints as a whole, or ids or conditions of deliveries");
    int r = command_open(command, &database, DATABASE_PERSON, error);
    if (r)
        return r;
    for (int i = 0; !r && i < command->argc; i++)
        r = endpoint_one(&database, command->argv[i], holds, settings->reason,
                         settings->change.dry_run, error);
    database_close(&database);
    return r;
}

/* ---- the verbs ------------------------------------------------------------------------------- */

/* Operands are all ids, or all endpoints. */
static int operands_judge(const struct command *command, bool *endpoints, struct error *error) {
    int ids = 0;
    for (int i = 0; i < command->argc; i++)
        ids += filter_is_id(command->argv[i]);
    *endpoints = command->argc && !ids;
    if (!ids || ids == command->argc)
        return 0;
    return error_set(error, ERROR_USAGE, "give either ids of deliveries, or names of endpoints");
}

static int hold_or_release(const struct command *command, const struct hold_settings *settings,
                           const struct change *change, struct error *error) {
    bool endpoints, holds = change == &hold;
    int r = operands_judge(command, &endpoints, error);
    if (r)
        return r;
    if (endpoints)
        return endpoints_run(command, settings, holds, error);
    if (settings->reason)
        return error_set(error, ERROR_USAGE, "--reason is of an endpoint; deliveries have none");
    return change_run(command, &settings->change, change, error);
}

static int hold_run(const struct command *command, const void *settings, struct error *error) {
    return hold_or_release(command, settings, &hold, error);
}

static int release_run(const struct command *command, const void *settings, struct error *error) {
    const struct hold_settings given = {.change = *(const struct change_settings *)settings};
    return hold_or_release(command, &given, &release, error);
}

const struct verb verb_hold = {
    .name = "hold",
    .operands = "[ENDPOINT …] [ID …]",
    .summary = "let pending deliveries wait, or all of an endpoint",
    .description =
        "Which ones: by id, or all pending ones that meet every condition given. They stay\n"
        "pending, are not sent, and do not expire until they are released. Or whole endpoints by\n"
        "name: what is pending there, and whatever comes, waits.\n"
        "\n"
        "  outhook hold billing --reason 'they are moving'\n"
        "  outhook hold --type 'invoice.*' --since 1h",
    .options = hold_options,
    .settings_bytes = sizeof(struct hold_settings),
    .run = hold_run,
};

const struct verb verb_release = {
    .name = "release",
    .operands = "[ENDPOINT …] [ID …]",
    .summary = "send what was on hold",
    .description =
        "Which ones: by id, or all on hold that meet every condition given, or whole endpoints by\n"
        "name. Deliveries become due when they were to be before. One that was to expire "
        "meanwhile\n"
        "expires at once; to send it all the same, cancel and replay it.",
    .options = change_options,
    .settings_bytes = sizeof(struct change_settings),
    .run = release_run,
};
