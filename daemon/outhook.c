/*
 * outhook, the operator's command: `outhook VERB`, on the database, whether or not the daemon runs.
 */

#include "outhook/base/memory.h"
#include "outhook/cli/help.h"
#include "outhook/cli/pager.h"
#include "outhook/cli/verb.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int version_print(void) {
    printf("outhook %s\n", OUTHOOK_VERSION);
    return 0;
}

/* Runs a verb that does its work itself. argv[0] is the verb. */
static int verb_work(const struct verb *verb, struct command *command, int argc, char **argv,
                     struct error *error) {
    void *settings = memory_new(1, verb->settings_bytes ? verb->settings_bytes : 1);
    const struct option_parse tables[] = {{verb_options, command}, {verb->options, settings}, {0}};
    int first = argc;
    int r = option_read(verb->options ? tables : (const struct option_parse[]){tables[0], {0}},
                        argc, argv, false, &first, error);
    if (!r) {
        command->argc = argc - first;
        command->argv = argv + first;
        r = command->help      ? help_print(verb)
            : command->version ? version_print()
                               : verb->run(command, settings, error);
    }
    option_free(verb->options, settings);
    free(settings);
    return r;
}

/* The help of what argv names: a verb, or a verb of a verb. */
static int help_run(const struct verb *verb, int argc, char **argv, struct error *error) {
    for (int i = 0; i < argc && verb->verbs; i++) {
        verb = verb_find(verb, argv[i], error);
        if (!verb)
            return ERROR_USAGE;
    }
    return help_print(verb);
}

/* Runs a verb, or the one of its verbs that the first operand names. argv[0] is the verb. */
static int verb_run(const struct verb *verb, struct command *command, int argc, char **argv,
                    struct error *error) {
    while (verb->verbs) {
        const struct option_parse tables[] = {{verb_options, command}, {0}};
        int first = argc;
        int r = option_read(tables, argc, argv, true, &first, error);
        if (r)
            return r;
        argc -= first;
        argv += first;
        if (command->version)
            return version_print();
        if (command->help)
            return help_run(verb, argc, argv, error);
        if (!argc)
            return error_set(error, ERROR_USAGE,
                             "a verb is missing: outhook%s%s --help lists them all",
                             *verb->name ? " " : "", verb->name);
        if (!strcmp(argv[0], "help"))
            return help_run(verb, argc - 1, argv + 1, error);
        verb = verb_find(verb, argv[0], error);
        if (!verb)
            return ERROR_USAGE;
    }
    return verb_work(verb, command, argc, argv, error);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_DFL); /* systemd's services ignore it, and `| head` is to end us quietly */
    setlocale(LC_CTYPE, "C.UTF-8");

    struct error error = {0};
    struct command command = {0};
    int r = verb_run(&verb_outhook, &command, argc, argv, &error);
    if ((fflush(stdout) || ferror(stdout)) && !r)
        r = error_set(&error, ERROR_FAILED, "can't write the output: %s", strerror(errno));
    pager_end();
    if (r && error.text[0])
        fprintf(stderr, "outhook: %s%s\n", error.text,
                r == ERROR_BUSY ? "; try again when its transaction is over" : "");
    return r ? error_exit_code(r) : 0;
}
