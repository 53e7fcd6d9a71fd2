#include "outhook/cli/verb.h"

#include "outhook/base/name.h"
#include "outhook/cli/help.h"

#include <string.h>

static const struct verb *const verbs[] = {
    &verb_enqueue, &verb_list,       &verb_show,   &verb_status,  &verb_top,   &verb_shape,
    &verb_replay,  &verb_cancel,     &verb_hold,   &verb_release, &verb_purge, &verb_endpoint,
    &verb_listen,  &verb_tail,       &verb_verify, &verb_backup,  &verb_check, &verb_bench,
    &verb_migrate, &verb_completion, NULL,
};

const struct verb verb_outhook = {
    .name = "",
    .operands = "VERB",
    .summary = "enqueues outgoing webhooks, shows what became of them, and replays or cancels them",
    .verbs = verbs,
};

const struct option_row verb_options[] = {
    {"database", "PATH", OPTION_TEXT, offsetof(struct command, database), 0, 0,
     "The database file. Else OUTHOOK_DATABASE of the environment names it, else the "
     "configuration."},
    {"config", "FILE", OPTION_TEXT, offsetof(struct command, config), 0, 0,
     "The daemon's configuration, for its database setting; /etc/outhook/outhookd.conf by "
     "default."},
    {"help", NULL, OPTION_FLAG, offsetof(struct command, help), 0, 0, "Print this help."},
    {"version", NULL, OPTION_FLAG, offsetof(struct command, version), 0, 0, "Print the version."},
    {0},
};

static int verb_refuse(const struct verb *of, const char *name, struct error *error) {
    const char *nearest = NULL;
    struct buffer title = {0};
    help_append_name(of, &title);
    for (size_t i = 0; of->verbs[i]; i++) {
        const char *candidate = of->verbs[i]->name;
        if (name_is_near(name, candidate) &&
            (!nearest || name_distance(name, candidate) < name_distance(name, nearest)))
            nearest = candidate;
    }
    int r = nearest
                ? error_set(error, ERROR_USAGE, "there is no verb %.100s; did you mean %s?", name,
                            nearest)
                : error_set(error, ERROR_USAGE, "there is no verb %.100s: %s --help lists them all",
                            name, buffer_text(&title));
    buffer_free(&title);
    return r;
}

const struct verb *verb_find(const struct verb *of, const char *name, struct error *error) {
    for (size_t i = 0; of->verbs[i]; i++)
        if (!strcmp(name, of->verbs[i]->name))
            return of->verbs[i];
    if (error)
        (void)verb_refuse(of, name, error);
    return NULL;
}
