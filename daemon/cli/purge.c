#include "outhook/base/clock.h"
#include "outhook/cli/change.h"
#include "outhook/cli/progress.h"
#include "outhook/cli/terminal.h"
#include "outhook/store/unrouted.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct purge_settings {
    struct change_settings change;
    bool unrouted;
};

static const struct option_row purge_options[] = {
    CHANGE_OPTIONS(struct purge_settings, change),
    {"unrouted", NULL, OPTION_FLAG, offsetof(struct purge_settings, unrouted), 0, 0,
     "Instead, delete webhooks that went nowhere, as no endpoint subscribed to their type. Only "
     "--until goes with it."},
    {0},
};

static const struct change purge = {
    .verb = "purge",
    .past = "purged",
    .act = "purge",
    .to = "with all that is known of them",
    .did = "purged",
    .from_unless_told = SELECTION_FINISHED,
    .only = "only finished deliveries",
    .change = {.act = OPERATOR_PURGE},
};

/* ---- webhooks that went nowhere -------------------------------------------------------------- */

static bool unrouted_told(int64_t deleted, void *context) {
    return progress_show(context, deleted);
}

static int unrouted_delete(struct database *database, int64_t before, int64_t count,
                           struct error *error) {
    struct progress progress = progress_begin(count);
    int64_t deleted = 0;
    int r = unrouted_purge(database, before, &deleted, unrouted_told, &progress, error);
    bool stopped = !progress_show(&progress, deleted);
    progress_end(&progress);
    printf("%" PRId64 " webhook%s purged\n", deleted, deleted == 1 ? "" : "s");
    if (!r && stopped)
        r = error_set(error, ERROR_STOPPED,
                      "interrupted: %" PRId64 " of %" PRId64 " done; the same command goes on with "
                      "the rest",
                      deleted, count);
    return r;
}

static bool unrouted_confirmed(int64_t count) {
    char question[100];
    snprintf(question, sizeof question, "Purge %" PRId64 " webhooks that went nowhere?", count);
    return terminal_confirm(question);
}

static int unrouted_run(struct database *database, const struct change_settings *change,
                        struct error *error) {
    int64_t count = 0, before = clock_now().wall_ms;
    if (change->filter.until.given)
        before = change->filter.until.value;
    int r = unrouted_count(database, before, &count, error);
    if (r)
        return r;
    if (change->dry_run) {
        printf("would purge %" PRId64 " webhook%s\n", count, count == 1 ? "" : "s");
        return 0;
    }
    if (count > 1 && !change->yes && isatty(STDIN_FILENO) && !unrouted_confirmed(count))
        return error_set(error, ERROR_FAILED, "nothing was changed");
    return unrouted_delete(database, before, count, error);
}

static int purge_unrouted(const struct command *command, const struct change_settings *change,
                          struct error *error) {
    struct change_settings others = *change;
    struct database database;
    others.filter.until = (struct option_number){0};
    if (command->argc || filter_given(&others.filter) || change->all || change->limit.given)
        return error_set(error, ERROR_USAGE,
                         "--unrouted goes with --until, --dry-run and --yes alone: what went "
                         "nowhere has no delivery that the others could speak of");
    int r = command_open(command, &database, DATABASE_PERSON, error);
    if (r)
        return r;
    r = unrouted_run(&database, change, error);
    database_close(&database);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int purge_run(const struct command *command, const void *settings, struct error *error) {
    const struct purge_settings *wanted = settings;
    if (wanted->unrouted)
        return purge_unrouted(command, &wanted->change, error);
    return change_run(command, &wanted->change, &purge, error);
}

const struct verb verb_purge = {
    .name = "purge",
    .operands = "[ID …]",
    .summary = "delete finished deliveries",
    .description =
        "Which ones: by id, or all finished ones that meet every condition given. Their attempts\n"
        "go with them, and a webhook goes with its last delivery. What is deleted is overwritten.\n"
        "\n"
        "  outhook purge --status delivered --until 7d\n"
        "\n"
        "A running outhookd does so by itself, by its settings retain_delivered and "
        "retain_failed.\n"
        "It also gives the space back to the file system; while none runs, purge does.",
    .options = purge_options,
    .settings_bytes = sizeof(struct purge_settings),
    .run = purge_run,
};
