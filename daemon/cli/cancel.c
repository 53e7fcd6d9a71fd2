#include "outhook/cli/change.h"

static const struct change cancel = {
    .verb = "cancel",
    .past = "cancelled",
    .act = "set",
    .to = "to cancelled",
    .did = "set to cancelled",
    .from_unless_told = SELECTION_PENDING,
    .only = "only pending deliveries",
    .change = {.act = OPERATOR_CANCEL},
};

static int cancel_run(const struct command *command, const void *settings, struct error *error) {
    return change_run(command, settings, &cancel, error);
}

const struct verb verb_cancel = {
    .name = "cancel",
    .operands = "[ID …]",
    .summary = "give up pending deliveries",
    .description = "Which ones: by id, or all pending ones that meet every condition given.\n"
                   "A call that is under way may still arrive.",
    .options = change_options,
    .settings_bytes = sizeof(struct change_settings),
    .run = cancel_run,
};
