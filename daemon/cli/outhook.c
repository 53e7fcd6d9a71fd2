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
    &verb_migrate, &verb_enqueue, &verb_list,     &verb_show,   &verb_status, &verb_shape,
    &verb_replay,  &verb_cancel,  &verb_endpoint, &verb_listen, NULL,
};

/* What `outhook` is without a verb. */
static const struct verb outhook = {
    .name = "",
    .operands = "VERB",
    .summary = "enqueues outgoing webhooks, shows what became of them, and replays or cancels them",
    .verbs = verbs,
};

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

/* "outhook", "outhook list", "outhook endpoint add". */
static void help_append_name(const struct verb *verb, struct buffer *text) {
    buffer_print(text, "outhook%s%s%s%s", verb->within ? " " : "", verb->within ? verb->within : "",
                 *verb->name ? " " : "", verb->name);
}

static void help_append_verbs(const struct verb *verb, struct buffer *text) {
    buffer_print(text, "\nVerbs:\n");
    for (size_t i = 0; verb->verbs[i]; i++)
        buffer_print(text, "  %-15s%s\n", verb->verbs[i]->name, verb->verbs[i]->summary);
    buffer_print(text, "  %-15s%s\n\nOptions of all verbs:\n", "help", "print the help of a verb");
}

static void help_append(const struct verb *verb, struct buffer *text) {
    buffer_print(text, "Usage: ");
    help_append_name(verb, text);
    buffer_print(text, "%s%s%s%s\n\n%c%s.\n", verb->verbs ? "" : " [OPTION …]",
                 verb->operands ? " " : "", verb->operands ? verb->operands : "",
                 verb->verbs ? " [OPTION …]" : "", verb->summary[0] - 'a' + 'A', verb->summary + 1);
    if (verb->description)
        buffer_print(text, "\n%s\n", verb->description);
    if (verb->verbs)
        help_append_verbs(verb, text);
    else
        buffer_print(text, "\nOptions:\n");
    option_help(verb->options, text);
    option_help(common_options, text);
    if (verb->verbs)
        buffer_print(text, "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

static int help_print(const struct verb *verb) {
    struct buffer text = {0};
    help_append(verb, &text);
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
    return 0;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

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

static const struct verb *verb_find(const struct verb *of, const char *name, struct error *error) {
    for (size_t i = 0; of->verbs[i]; i++)
        if (!strcmp(name, of->verbs[i]->name))
            return of->verbs[i];
    (void)verb_refuse(of, name, error);
    return NULL;
}

static int version_print(void) {
    printf("outhook %s\n", OUTHOOK_VERSION);
    return 0;
}

/* Runs a verb that does its work itself. argv[0] is the verb. */
static int verb_work(const struct verb *verb, struct command *command, int argc, char **argv,
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
        const struct option_parse tables[] = {{common_options, command}, {0}};
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
    int r = verb_run(&outhook, &command, argc, argv, &error);
    if ((fflush(stdout) || ferror(stdout)) && !r)
        r = error_set(&error, ERROR_FAILED, "can't write the output: %s", strerror(errno));
    if (r && error.text[0])
        fprintf(stderr, "outhook: %s\n", error.text);
    return r ? error_exit_code(r) : 0;
}
