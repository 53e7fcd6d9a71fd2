#include "outhook/cli/change.h"

#include "outhook/base/clock.h"
#include "outhook/base/duration.h"
#include "outhook/cli/progress.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The settings of a verb that has no others. */
struct change_alone {
    struct change_settings change;
};

const struct option_row change_options[] = {CHANGE_OPTIONS(struct change_alone, change), {0}};

static const char *deliveries(int64_t count) {
    return count == 1 ? "delivery" : "deliveries";
}

/* ---- what was selected ----------------------------------------------------------------------- */

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
    if (selection->statuses & ~operator_statuses(change->change.act))
        return error_set(error, ERROR_USAGE, "--status: %s can be %s", change->only, change->past);
    if (!selection->statuses && !command->argc)
        selection->statuses = change->from_unless_told;
    selection->limit = settings->limit.value;
    return 0;
}

/* ---- what came of it ------------------------------------------------------------------------- */

/* Where a replay that was spread over time goes on. */
static void append_way_on(const struct operator_result *result, struct buffer *text) {
    buffer_print(text, "the same command goes on with the rest");
    int64_t ahead_ms = result->next_due_at - clock_now().wall_ms;
    char delay[DURATION_TEXT_BYTES];
    if (ahead_ms > 0)
        buffer_print(text, ", with --delay %s behind those",
                     duration_format((ahead_ms + 999) / 1000 * 1000, delay));
}

static void print_did(const struct change *change, const struct operator_result *result) {
    printf("%" PRId64 " %s %s", result->changed, deliveries(result->changed), change->did);
    if (result->next_due_at && result->changed) {
        struct buffer text = {0};
        text_append_time(&text, result->next_due_at);
        printf(", all due by %s", buffer_text(&text));
        buffer_free(&text);
    }
    printf("\n");
}

static int change_tell(const struct change *change, const struct operator_result *result,
                       struct error *error) {
    print_did(change, result);
    if (result->refused)
        return error_set(error, ERROR_FAILED, "%" PRId64 " %s not %s%s: %.400s", result->refused,
                         result->refused == 1 ? "delivery was" : "deliveries were", change->past,
                         result->stopped ? ", and the rest not tried" : "", result->refusal.text);
    if (!result->stopped)
        return 0;
    struct buffer way_on = {0};
    append_way_on(result, &way_on);
    int r = error_set(error, ERROR_STOPPED, "interrupted: %" PRId64 " of %" PRId64 " done; %s",
                      result->changed, result->selected, buffer_text(&way_on));
    buffer_free(&way_on);
    return r;
}

static int unfit_tell(const struct change *change, int64_t id, const struct operator_state *state,
                      struct error *error) {
    enum operator_act act = change->change.act;
    if (!state->status)
        return error_set(error, ERROR_FAILED, "there is no delivery %" PRId64, id);
    if (!(selection_status(state->status, strlen(state->status)) & operator_statuses(act)))
        return error_set(error, ERROR_FAILED, "delivery %" PRId64 " is %s: %s can be %s", id,
                         state->status, change->only, change->past);
    if (act == OPERATOR_HOLD && state->held)
        return error_set(error, ERROR_FAILED, "delivery %" PRId64 " is on hold already", id);
    if (act == OPERATOR_RELEASE && !state->held)
        return error_set(error, ERROR_FAILED, "delivery %" PRId64 " is not on hold", id);
    return 0;
}

/* An id that can't be changed was a mistake, unlike a condition that fits nothing, and unlike a
 * gap in a range. Finds the first one. */
static int change_find_unfit(struct database *database, const struct filter_ids *ids,
                             const struct change *change, struct error *error) {
    int r = 0;
    for (size_t i = 0; !r && i < ids->count; i++) {
        struct operator_state state;
        r = operator_state_read(database, ids->items[i], &state, error);
        if (!r)
            r = unfit_tell(change, ids->items[i], &state, error);
        free(state.status);
    }
    return r;
}

/* ---- doing it -------------------------------------------------------------------------------- */

static bool change_report(const struct operator_result *result, void *context) {
    return progress_show(context, result->changed + result->refused);
}

static int change_apply(struct database *database, const struct selection *selection, int64_t count,
                        const struct change *change, struct error *error) {
    struct progress progress = progress_begin(count);
    struct operator_result result;
    int r = operator_change_all(database, selection, &change->change, &result, change_report,
                                &progress, error);
    progress_end(&progress);
    if (!r)
        return change_tell(change, &result, error);
    if (result.changed)
        print_did(change, &result);
    return r;
}

/* Ids that were typed are meant. */
static bool change_asks(const struct change_settings *settings, const struct filter_ids *ids,
                        int64_t count) {
    return !settings->yes && count > 1 && isatty(STDIN_FILENO) && (!ids->count || ids->range_count);
}

static bool change_confirmed(const struct change *change, int64_t count) {
    char question[120];
    snprintf(question, sizeof question, "%c%s %" PRId64 " deliveries%s%s?",
             change->act[0] - 'a' + 'A', change->act + 1, count, *change->to ? " " : "",
             change->to);
    return terminal_confirm(question);
}

static int change_selected(struct database *database, const struct change_settings *settings,
                           const struct filter_ids *ids, const struct selection *selection,
                           const struct change *change, struct error *error) {
    struct error unfit = {0};
    int64_t count = 0;
    int r = selection_check(database, selection, error);
    if (!r)
        r = operator_count(database, selection, change->change.act, &count, error);
    if (r)
        return r;
    int found = change_find_unfit(database, ids, change, &unfit);
    if (settings->dry_run)
        printf("would %s %" PRId64 " %s%s%s\n", change->act, count, deliveries(count),
               *change->to ? " " : "", change->to);
    else if (change_asks(settings, ids, count) && !change_confirmed(change, count))
        return error_set(error, ERROR_FAILED, "nothing was changed");
    else
        r = change_apply(database, selection, count, change, error);
    return r || !found ? r : error_set(error, found, "%s", unfit.text);
}

int change_run(const struct command *command, const struct change_settings *settings,
               const struct change *change, struct error *error) {
    struct selection selection = {0};
    struct filter_ids ids = {0};
    struct database database;
    int r = change_selection(command, settings, change, &selection, error);
    if (!r)
        r = filter_ids_read(command, &ids, error);
    filter_ids_select(&ids, &selection);
    if (!r)
        r = command_open(command, &database, DATABASE_PERSON, error);
    if (!r) {
        r = change_selected(&database, settings, &ids, &selection, change, error);
        database_close(&database);
    }
    filter_ids_free(&ids);
    return r;
}
