#include "outhook/base/clock.h"
#include "outhook/cli/change.h"

#include <stdlib.h>

static const double REPLAY_RATE_LEAST = 0.001, REPLAY_RATE_MOST = 100000;

struct replay_settings {
    struct change_settings change;
    const char *rate;
    struct option_number delay;
};

static const struct option_row replay_options[] = {
    CHANGE_OPTIONS(struct replay_settings, change),
    {"rate", "RATE", OPTION_TEXT, offsetof(struct replay_settings, rate), 0, 0,
     "Spread them over time: so many a second become due, the oldest first, such as 100 or 0.5."},
    {"delay", "DURATION", OPTION_DURATION, offsetof(struct replay_settings, delay), 0, 0,
     "The first one becomes due only after so long."},
    {0},
};

static const struct change replay = {
    .verb = "replay",
    .past = "replayed",
    .act = "set",
    .to = "to pending",
    .did = "set to pending",
    .from_unless_told = SELECTION_FAILED | SELECTION_EXPIRED,
    .only = "only finished deliveries",
    .change = {.act = OPERATOR_REPLAY},
};

static int replay_rate(const char *text, double *rate, struct error *error) {
    char *end = NULL;
    *rate = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
    if (!end || *end || *rate < REPLAY_RATE_LEAST || *rate > REPLAY_RATE_MOST)
        return error_set(error, ERROR_USAGE,
                         "--rate %.100s: it has to be deliveries a second, from %g to %.0f", text,
                         REPLAY_RATE_LEAST, REPLAY_RATE_MOST);
    return 0;
}

static int replay_run(const struct command *command, const void *settings, struct error *error) {
    const struct replay_settings *given = settings;
    struct change change = replay;
    int r = given->rate ? replay_rate(given->rate, &change.change.rate, error) : 0;
    if (given->delay.given)
        change.change.due_at = clock_now().wall_ms + given->delay.value;
    return r ? r : change_run(command, &given->change, &change, error);
}

const struct verb verb_replay = {
    .name = "replay",
    .operands = "[ID …]",
    .summary = "send finished deliveries again",
    .description =
        "Which ones: by id, or all that meet every condition given. Without --status these are\n"
        "failed and expired ones. Their attempts and their expiry start afresh.\n"
        "\n"
        "  outhook replay 17 20-25\n"
        "  outhook replay --endpoint billing --since 2h --dry-run\n"
        "  outhook replay --endpoint billing --missing --rate 50\n"
        "\n"
        "With --rate, each gets a time of its own at which it becomes due, so that nothing has to\n"
        "stay running: outhookd sends them as their time comes, within the endpoint's limits.\n"
        "What can't be taken back in time can be cancelled.",
    .options = replay_options,
    .settings_bytes = sizeof(struct replay_settings),
    .run = replay_run,
};
