#include "outhook/cli/change.h"

static const struct change replay = {
    .verb = "replay",
    .past = "replayed",
    .from = SELECTION_FINISHED,
    .from_unless_told = SELECTION_FAILED | SELECTION_EXPIRED,
    .to = "pending",
    .only = "only finished deliveries",
};

static int replay_run(const struct command *command, const void *settings, struct error *error) {
    return change_run(command, settings, &replay, error);
}

const struct verb verb_replay = {
    .name = "replay",
    .operands = "[ID …]",
    .summary = "send finished deliveries again",
    .description =
        "Which ones: by id, or all that meet every condition given. Without --status these are\n"
        "failed and expired ones. Their attempts and their expiry start afresh.\n"
        "\n"
        "  outhook replay 17 18\n"
        "  outhook replay --endpoint billing --since 2h --dry-run",
    .options = change_options,
    .settings_bytes = sizeof(struct change_settings),
    .run = replay_run,
};
