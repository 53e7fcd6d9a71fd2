/*
 * outhook, the operator's command: `outhook VERB`, on the database, whether or not the daemon runs.
 */

#include "outhook/base/memory.h"
#include "outhook/base/name.h"
#include "outhook/cli/verb.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb *const verbs[] = {
    &verb_migrate, &verb_enqueue, &verb_list,   &verb_show,
    &verb_status,  &verb_replay,  &verb_cancel, &verb_listen,
};

enum { VERBS = sizeof verbs / sizeof *verbs };

static const struct option_row common_options[] = {
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

/* ---- help ------------------------------------------------------------------------------------ */

static void help_append(struct buffer *text) {
    buffer_print(text, "Usage: outhook VERB [OPTION …]\n\n"
                       "Enqueues outgoing webhooks, shows what became of them, and replays or "
                       "cancels them.\n\nVerbs:\n");
    for (size_t i = 0; i < VERBS; i++)
        buffer_print(text, "  %-10s%s\n", verbs[i]->name, verbs[i]->summary);
    buffer_print(text, "  %-10s%s\n\nOptions of all verbs:\n", "help", "print the help of a verb");
    option_help(common_options, text);
    buffer_print(text, "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

static void help_append_verb(const struct verb *verb, struct buffer *text) {
    buffer_print(text, "Usage: outhook %s [OPTION …]%s%s\n\n%c%s.\n", verb->name,
                 verb->operands ? " " : "", verb->operands ? verb->operands : "",
                 verb->summary[0] - 'a' + 'A', verb->summary + 1);
    if (verb->description)
        buffer_print(text, "\n%s\n", verb->description);
    buffer_print(text, "\nOptions:\n");
    option_help(verb->options, text);
    option_help(common_options, text);
}

static int help_print(const struct verb *verb) {
    struct buffer text = {0};
    if (verb)
        help_append_verb(verb, &text);
    else
        help_append(&text);
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
    return 0;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static const struct verb *verb_find(const char *name, struct error *error) {
    const char *nearest = NULL;
    for (size_t i = 0; i < VERBS; i++) {
        if (!strcmp(name, verbs[i]->name))
            return verbs[i];
        if (name_is_near(name, verbs[i]->name) &&
            (!nearest || name_distance(name, verbs[i]->name) < name_distance(name, nearest)))
            nearest = verbs[i]->name;
    }
    if (nearest)
        error_set(error, ERROR_USAGE, "there is no verb %.100s; did you mean %s?", name, nearest);
    else
        error_set(error, ERROR_USAGE, "there is no verb %.100s: outhook --help lists them all",
                  name);
    return NULL;
}

static int version_print(void) {
    printf("outhook %s\n", OUTHOOK_VERSION);
    return 0;
}

/* argv[0] is the verb. */
static int verb_run(const struct verb *verb, struct command *command, int argc, char **argv,
                    struct error *error) {
    void *settings = memory_new(1, verb->settings_bytes ? verb->settings_bytes : 1);
    const struct option_parse tables[] = {
        {common_options, command}, {verb->options, settings}, {0}};
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

static int help_run(int argc, char **argv, struct error *error) {
    if (argc < 2)
        return help_print(NULL);
    const struct verb *verb = verb_find(argv[1], error);
    return verb ? help_print(verb) : ERROR_USAGE;
}

static int command_run(int argc, char **argv, struct error *error) {
    struct command command = {0};
    int first = argc;
    const struct option_parse tables[] = {{common_options, &command}, {0}};
    int r = option_read(tables, argc, argv, true, &first, error);
    if (r)
        return r;
    if (command.version)
        return version_print();
    if (command.help)
        return help_run(argc - first + 1, argv + first - 1, error);
    if (first == argc)
        return error_set(error, ERROR_USAGE, "a verb is missing: outhook --help lists them all");
    if (!strcmp(argv[first], "help"))
        return help_run(argc - first, argv + first, error);
    const struct verb *verb = verb_find(argv[first], error);
    return verb ? verb_run(verb, &command, argc - first, argv + first, error) : ERROR_USAGE;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_DFL); /* systemd's services ignore it, and `| head` is to end us quietly */
    setlocale(LC_CTYPE, "C.UTF-8");

    struct error error = {0};
    int r = command_run(argc, argv, &error);
    if ((fflush(stdout) || ferror(stdout)) && !r)
        r = error_set(&error, ERROR_FAILED, "can't write the output: %s", strerror(errno));
    if (r && error.text[0])
        fprintf(stderr, "outhook: %s\n", error.text);
    return r ? error_exit_code(r) : 0;
}
