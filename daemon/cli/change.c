#include "outhook/cli/change.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/cli/terminal.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_AFTER_MS = 1000, PROGRESS_EVERY_MS = 100 };

const struct option_row change_options[] = {
    FILTER_OPTIONS(struct change_settings, filter),
    {"all", NULL, OPTION_FLAG, offsetof(struct change_settings, all), 0, 0,
     "Whatever it is, without any of these conditions."},
    {"dry-run", NULL, OPTION_FLAG, offsetof(struct change_settings, dry_run), 0, 0,
     "Change nothing, print how many it would be."},
    {"yes", NULL, OPTION_FLAG, offsetof(struct change_settings, yes), 0, 0, "Don't ask."},
    {0},
};

static const char *deliveries(int64_t count) {
    return count == 1 ? "delivery" : "deliveries";
}

/* ---- what was selected ----------------------------------------------------------------------- */

/* Reads the operands as ids; *ids is freed by the caller. */
static int change_ids(const struct command *command, int64_t **ids, struct error *error) {
    *ids = memory_new((size_t)command->argc + 1, sizeof **ids);
    for (int i = 0; i < command->argc; i++) {
        const char *text = command->argv[i];
        size_t length = strlen(text);
        if (!length || length > 18 || strspn(text, "0123456789") != length)
            return error_set(error, ERROR_USAGE,
                             "%.100s is no delivery's id: outhook list shows them; a webhook is "
                             "named by --webhook",
                             text);
        (*ids)[i] = strtoll(text, NULL, 10);
    }
    return 0;
}

static int change_selection(const struct command *command, const struct change_settings *settings,
                            const struct change *change, struct selection *selection,
                            struct error *error) {
    bool filtered = filter_given(&settings->filter);
    if (!command->argc && !filtered && !settings->all)
        return error_set(error, ERROR_USAGE,
                         "%s what? Give ids, or conditions such as --endpoint NAME, or --all",
                         change->verb);
    if (command->argc && (filtered || settings->all))
        return error_set(error, ERROR_USAGE, "give either ids or conditions, not both");
    int r = filter_selection(&settings->filter, selection, error);
    if (r)
        return r;
    if (selection->statuses & ~change->from)
        return error_set(error, ERROR_USAGE, "--status: %s can be %s", change->only, change->past);
    if (!selection->statuses && !command->argc)
        selection->statuses = change->from_unless_told;
    return 0;
}

/* ---- while it runs --------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* Ctrl-C stops between two slices, so that what was done can still be told. */
static void catch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

struct progress {
    int64_t started_mono_ms, printed_mono_ms; /* 0: not yet printed */
    bool terminal;
};

static bool change_report(const struct operator_result *result, void *context) {
    struct progress *progress = context;
    int64_t now = clock_now().mono_ms;
    if (progress->terminal && now - progress->started_mono_ms >= PROGRESS_AFTER_MS &&
        now - progress->printed_mono_ms >= PROGRESS_EVERY_MS) {
        fprintf(stderr, "\r%" PRId64 " of %" PRId64, result->changed, result->selected);
        fflush(stderr);
        progress->printed_mono_ms = now;
    }
    return !interrupted;
}

static void progress_end(const struct progress *progress) {
    if (progress->printed_mono_ms)
        fprintf(stderr, "\r\033[K");
}

/* ---- what came of it ------------------------------------------------------------------------- */

static int change_tell(const struct change *change, const struct operator_result *result,
                       struct error *error) {
    printf("%" PRId64 " %s set to %s\n", result->changed, deliveries(result->changed), change->to);
    if (result->refused)
        return error_set(error, ERROR_FAILED, "%" PRId64 " %s not %s%s: %.400s", result->refused,
                         result->refused == 1 ? "delivery was" : "deliveries were", change->past,
                         result->stopped ? ", and the rest not tried" : "", result->refusal.text);
    if (result->stopped)
        return error_set(error, ERROR_STOPPED,
                         "interrupted: %" PRId64 " of %" PRId64
                         " done; the same command goes on with the rest",
                         result->changed, result->selected);
    return 0;
}

/* An id that wasn't changed was a mistake, unlike a condition that fits nothing. `unfit` is the
 * first one whose status didn't allow it. */
static int change_find_unfit(struct database *database, const struct selection *selection,
                             const struct change *change, struct error *error) {
    for (size_t i = 0; i < selection->id_count; i++) {
        char *status;
        int r = operator_status(database, selection->ids[i], &status, error);
        if (r)
            return r;
        if (!status)
            return error_set(error, ERROR_FAILED, "there is no delivery %" PRId64,
                             selection->ids[i]);
        if (!(selection_status(status, strlen(status)) & change->from))
            r = error_set(error, ERROR_FAILED, "delivery %" PRId64 " is %s: %s can be %s",
                          selection->ids[i], status, change->only, change->past);
        free(status);
        if (r)
            return r;
    }
    return 0;
}

static int change_apply(struct database *database, const struct selection *selection,
                        const struct change *change, struct error *error) {
    const struct operator_change to = {change->from, change->to};
    struct progress progress = {
        .started_mono_ms = clock_now().mono_ms,
        .terminal = isatty(STDERR_FILENO),
    };
    struct operator_result result;
    catch_interrupts();
    int r = operator_change_all(database, selection, &to, &result, change_report, &progress, error);
    progress_end(&progress);
    if (!r)
        return change_tell(change, &result, error);
    if (result.changed)
        printf("%" PRId64 " %s set to %s\n", result.changed, deliveries(result.changed),
               change->to);
    return r;
}

static bool change_asks(const struct change_settings *settings, const struct selection *selection,
                        int64_t count) {
    return !settings->yes && !selection->ids && count > 1 && isatty(STDIN_FILENO);
}

static int change_selected(struct database *database, const struct change_settings *settings,
                           const struct selection *selection, const struct change *change,
                           struct error *error) {
    const struct operator_change to = {change->from, change->to};
    struct error unfit = {0};
    int64_t count = 0;
    int r = selection_check(database, selection, error);
    if (!r)
        r = operator_count(database, selection, &to, &count, error);
    if (r)
        return r;
    int found = change_find_unfit(database, selection, change, &unfit);
    if (settings->dry_run) {
        printf("would set %" PRId64 " %s to %s\n", count, deliveries(count), change->to);
    } else {
        char question[80];
        snprintf(question, sizeof question, "Set %" PRId64 " deliveries to %s?", count, change->to);
        if (change_asks(settings, selection, count) && !terminal_confirm(question))
            return error_set(error, ERROR_FAILED, "nothing was changed");
        r = change_apply(database, selection, change, error);
    }
    return r || !found ? r : error_set(error, found, "%s", unfit.text);
}

int change_run(const struct command *command, const struct change_settings *settings,
               const struct change *change, struct error *error) {
    struct selection selection = {0};
    struct database database;
    int64_t *ids = NULL;
    int r = change_selection(command, settings, change, &selection, error);
    if (!r)
        r = change_ids(command, &ids, error);
    if (!r && command->argc) {
        selection.ids = ids;
        selection.id_count = (size_t)command->argc;
    }
    if (!r)
        r = command_open(command, &database, DATABASE_PERSON, error);
    if (!r) {
        r = change_selected(&database, settings, &selection, change, error);
        database_close(&database);
    }
    free(ids);
    return r;
}
