#include "outhook/cli/change.h"

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

static int purge_run(const struct command *command, const void *settings, struct error *error) {
    return change_run(command, settings, &purge, error);
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
        "retain_failed,\n"
        "and gives the space back to the file system.",
    .options = change_options,
    .settings_bytes = sizeof(struct change_settings),
    .run = purge_run,
};
