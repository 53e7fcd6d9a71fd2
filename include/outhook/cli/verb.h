#ifndef OUTHOOK_CLI_VERB_H
#define OUTHOOK_CLI_VERB_H

/*
 * A verb of the operator's command: what `outhook migrate`, `outhook list` … are to main. A verb is
 * one file in daemon/cli/, and one row in the table of verb.c, from which come dispatch, the help,
 * the manual page and the shell's completion. A verb may have verbs of its own, such as `outhook
 * endpoint add`.
 */

#include "outhook/base/error.h"
#include "outhook/cli/option.h"
#include "outhook/store/database.h"

struct seal_keys;

/* One run of the command. */
struct command {
    const char *database; /* --database, or NULL */
    const char *config;   /* --config, or NULL */
    bool help, version;
    int argc; /* the verb's operands */
    char **argv;
};

struct verb {
    const char *within; /* "endpoint", of endpoint's verbs; NULL: it is a verb of outhook */
    const char *name;
    const char *operands;    /* for the help: "URL [DATA]"; NULL: there are none */
    const char *summary;     /* a line */
    const char *description; /* paragraphs; may be NULL */
    const struct option_row *options;
    size_t settings_bytes;
    const struct verb *const
        *verbs; /* its own, up to a NULL; it has no options and no run() then */

    /* Does it. `settings` is the struct that the options were read into. Returns 0, or an error
     * kind with its sentence, which main prints. */
    int (*run)(const struct command *command, const void *settings, struct error *error);
};

extern const struct verb verb_migrate, verb_enqueue, verb_list, verb_show, verb_replay, verb_cancel,
    verb_status, verb_shape, verb_listen, verb_endpoint, verb_completion, verb_hold, verb_release,
    verb_purge, verb_verify, verb_backup, verb_tail, verb_check, verb_top, verb_bench;

/* What `outhook` is without a verb. All verbs hang from it, so that a walk over its `verbs`, and
 * theirs, meets everything there is. */
extern const struct verb verb_outhook;

/* The options that every verb has besides its own. They go into a struct command. */
extern const struct option_row verb_options[];

/* One of a verb's own verbs by its name. When there is none, NULL, and `error` (may be NULL) says
 * which one may have been meant. */
const struct verb *verb_find(const struct verb *of, const char *name, struct error *error);

/* The database that the command line, the environment variable OUTHOOK_DATABASE, or the
 * configuration names: the first of these that does. *path is freed with free(). */
int command_path(const struct command *command, char **path, struct error *error) must_check;

/* Opens that database. */
int command_open(const struct command *command, struct database *database, enum database_role role,
                 struct error *error) must_check;

/* The keys that seal endpoint secrets: of `file` if it isn't NULL, else those that the
 * configuration names. None, and a sentence in *why, when they can't be read. Wiped with
 * seal_keys_wipe(). */
void command_keys(const struct command *command, const char *file, struct seal_keys *keys,
                  struct error *why);

/* Refuses operands beyond `most`. */
int command_operands(const struct command *command, int most, struct error *error) must_check;

#endif
