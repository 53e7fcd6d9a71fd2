/*
 * outhook completion: what makes the Tab key work. The shell's part is a few lines, printed here;
 * on each Tab it asks back with the words typed so far, so that what is offered always comes from
 * the table of verbs of the command that is installed, and from the database.
 */

#include "outhook/base/memory.h"
#include "outhook/cli/argument.h"
#include "outhook/cli/verb.h"
#include "outhook/store/endpoint_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLETION_ENDPOINTS_MAX = 1000 };

/* ---- the shells' parts ----------------------------------------------------------------------- */

/* Bash breaks words at = and : as well, and wants back only what comes behind the last of them. */
static const char bash_script[] =
    "# bash completion for outhook: source this, or install it as completions/outhook.\n"
    "_outhook() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \\t\\n' words current kept first candidate\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    current=${words[-1]}\n"
    "    kept=${current%\"${current##*[=:]}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r candidate; do\n"
    "        if [[ $candidate == :files ]]; then\n"
    "            compopt -o filenames\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"${current#\"$kept\"}\")\n"
    "            return\n"
    "        fi\n"
    "        [[ $candidate == *= ]] && compopt -o nospace\n"
    "        COMPREPLY+=(\"$(printf %q \"${candidate#\"$kept\"}\")\")\n"
    "    done < <(\"${words[0]}\" completion bash -- \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _outhook outhook\n";

static const char zsh_script[] =
    "#compdef outhook\n"
    "# zsh completion for outhook: source this, or install it as _outhook in a directory of "
    "fpath.\n"
    "_outhook() {\n"
    "    local -a lines\n"
    "    lines=(\"${(@f)$(\"${words[1]}\" completion zsh -- \"${(@Q)words[2,CURRENT]}\" "
    "2>/dev/null)}\")\n"
    "    if [[ $lines[1] == :files ]]; then\n"
    "        compset -P '*='\n"
    "        _files\n"
    "    elif [[ $lines[1] == *= ]]; then\n"
    "        _describe outhook lines -S ''\n"
    "    elif [[ -n $lines[1] ]]; then\n"
    "        _describe outhook lines\n"
    "    fi\n"
    "}\n"
    "if [[ $funcstack[1] == _outhook ]]; then _outhook \"$@\"; else compdef _outhook outhook; fi\n";

/* ---- what is offered ------------------------------------------------------------------------- */

/* One word to complete. */
struct completing {
    const struct command *command;
    const char *word; /* as far as it is typed */
    const char *kept; /* what stays before each candidate: "--status=", or "failed," */
    bool described;   /* zsh shows what a candidate is */
};

static void print_escaped(const char *text, bool escape) {
    for (; *text; text++)
        printf("%s%c", escape && (*text == ':' || *text == '\\') ? "\\" : "", *text);
}

/* Offers a candidate of `length` bytes if it begins as the word does. */
static void offer(const struct completing *completing, const char *candidate, size_t length,
                  const char *help) {
    size_t typed = strlen(completing->word);
    if (typed > length || memcmp(candidate, completing->word, typed) != 0)
        return;
    char text[4096];
    snprintf(text, sizeof text, "%s%.*s", completing->kept, (int)length, candidate);
    print_escaped(text, completing->described);
    if (completing->described && help)
        printf(":%s", help);
    putchar('\n');
}

static void offer_words(const struct completing *completing, const char *words) {
    for (words += strspn(words, " "); *words; words += strspn(words, " ")) {
        size_t length = strcspn(words, " ");
        offer(completing, words, length, NULL);
        words += length;
    }
}

/* The last one of a list is completed, the others stay. */
static void offer_list(const struct completing *completing, const char *words) {
    const char *comma = strrchr(completing->word, ',');
    struct completing last = *completing;
    char kept[4096];
    if (comma) {
        snprintf(kept, sizeof kept, "%s%.*s", completing->kept, (int)(comma + 1 - completing->word),
                 completing->word);
        last.kept = kept;
        last.word = comma + 1;
    }
    offer_words(&last, words);
}

/* No database, no names: Tab is no place for an error. */
static void offer_endpoints(const struct completing *completing) {
    struct endpoint_names names;
    struct database database;
    if (command_open(completing->command, &database, DATABASE_READER, NULL))
        return;
    if (!endpoint_names_read(&database, completing->word, COMPLETION_ENDPOINTS_MAX, &names, NULL)) {
        for (size_t i = 0; i < names.count; i++)
            offer(completing, names.items[i], strlen(names.items[i]), NULL);
        endpoint_names_free(&names);
    }
    database_close(&database);
}

static void offer_verbs(const struct completing *completing, const struct verb *verb) {
    static const char help[] = "help";
    for (size_t i = 0; verb->verbs && verb->verbs[i]; i++)
        offer(completing, verb->verbs[i]->name, strlen(verb->verbs[i]->name),
              verb->verbs[i]->summary);
    if (verb->verbs)
        offer(completing, help, strlen(help), "print the help of a verb");
}

static void offer_argument(const struct completing *completing, const struct verb *verb,
                           const char *name, size_t length) {
    const struct argument *argument = argument_find(name, length);
    switch (argument->kind) {
    case ARGUMENT_WORDS:
        offer_words(completing, argument->words);
        return;
    case ARGUMENT_LIST:
        offer_list(completing, argument->words);
        return;
    case ARGUMENT_FILE:
        puts(":files");
        return;
    case ARGUMENT_ENDPOINT:
        offer_endpoints(completing);
        return;
    case ARGUMENT_VERB:
        offer_verbs(completing, verb);
        return;
    case ARGUMENT_TEXT:
        return;
    }
}

static void offer_options(const struct completing *completing, const struct option_row *rows) {
    for (; rows && rows->name; rows++) {
        char text[80];
        snprintf(text, sizeof text, "--%s", rows->name);
        offer(completing, text, strlen(text), rows->help);
    }
}

/* ---- what the words before it say ------------------------------------------------------------ */

struct line {
    struct command command; /* what --database and --config before it name */
    const struct verb *verb;
    int operands;                     /* of the verb, so far */
    bool only_operands;               /* after -- */
    const struct option_row *waiting; /* an option whose value comes next */
};

static const struct option_row *row_find(const struct option_row *rows, const char *name,
                                         size_t length) {
    for (; rows && rows->name; rows++)
        if (strlen(rows->name) == length && !memcmp(rows->name, name, length))
            return rows;
    return NULL;
}

/* The option that "--name" or "--name=value" begins. */
static const struct option_row *line_option(const struct line *line, const char *word) {
    size_t length = strcspn(word + 2, "=");
    const struct option_row *row = row_find(verb_options, word + 2, length);
    return row ? row : row_find(line->verb->options, word + 2, length);
}

static void line_note_value(struct line *line, const struct option_row *row, const char *value) {
    if (row == row_find(verb_options, "database", strlen("database")))
        line->command.database = value;
    else if (row == row_find(verb_options, "config", strlen("config")))
        line->command.config = value;
}

static void line_take_option(struct line *line, const char *word) {
    const struct option_row *row = line_option(line, word);
    const char *equals = strchr(word, '=');
    if (!row || !row->argument)
        return;
    if (equals)
        line_note_value(line, row, equals + 1);
    else
        line->waiting = row;
}

static void line_take(struct line *line, const char *word) {
    if (line->waiting) {
        line_note_value(line, line->waiting, word);
        line->waiting = NULL;
    } else if (!strcmp(word, "--")) {
        line->only_operands = true;
    } else if (!line->only_operands && !strncmp(word, "--", 2)) {
        line_take_option(line, word);
    } else if (line->verb->verbs) {
        const struct verb *verb = verb_find(line->verb, word, NULL);
        line->verb = verb ? verb : line->verb; /* help, or one that isn't there */
    } else {
        line->operands++;
    }
}

/* The name of the operand that comes next; the last one may be repeated. */
static const char *line_operand(const struct line *line, size_t *length) {
    const char *text = line->verb->operands, *name = NULL;
    for (int i = 0; i <= line->operands; i++) {
        size_t next_length;
        const char *next = argument_next(&text, &next_length);
        if (!next)
            return text && strstr(line->verb->operands, "…") ? name : NULL;
        name = next;
        *length = next_length;
    }
    return name;
}

static void line_offer(const struct line *line, const char *word, bool described) {
    struct completing completing = {&line->command, word, "", described};
    const struct option_row *row = line->waiting;
    const char *equals = strchr(word, '=');
    char kept[200];
    size_t length = 0;
    if (!row && !line->only_operands && !strncmp(word, "--", 2) && equals) {
        row = line_option(line, word);
        snprintf(kept, sizeof kept, "%.*s", (int)(equals + 1 - word), word);
        completing.kept = kept;
        completing.word = equals + 1;
        if (!row)
            return;
    }
    if (row) {
        if (row->argument)
            offer_argument(&completing, line->verb, row->argument, strlen(row->argument));
    } else if (*word == '-' && !line->only_operands) {
        offer_options(&completing, line->verb->options);
        offer_options(&completing, verb_options);
    } else {
        const char *operand = line_operand(line, &length);
        if (operand)
            offer_argument(&completing, line->verb, operand, length);
    }
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int completion_run(const struct command *command, const void *settings,
                          struct error *error) {
    (void)settings;
    if (!command->argc)
        return error_set(error, ERROR_USAGE, "which shell? outhook completion bash, or zsh");
    bool zsh = !strcmp(command->argv[0], "zsh");
    if (!zsh && strcmp(command->argv[0], "bash") != 0)
        return error_set(error, ERROR_USAGE,
                         "there is no completion for %.100s: it has to be bash or zsh",
                         command->argv[0]);
    if (command->argc == 1) {
        fputs(zsh ? zsh_script : bash_script, stdout);
        return 0;
    }
    struct line line = {.verb = &verb_outhook};
    for (int i = 1; i < command->argc - 1; i++)
        line_take(&line, command->argv[i]);
    line_offer(&line, command->argv[command->argc - 1], zsh);
    return 0;
}

const struct verb verb_completion = {
    .name = "completion",
    .operands = "SHELL [WORD …]",
    .summary = "print what lets bash or zsh complete outhook's words",
    .description =
        "For bash, in ~/.bashrc, unless a package has installed it:\n"
        "\n"
        "  source <(outhook completion bash)\n"
        "\n"
        "For zsh, in ~/.zshrc, behind compinit:\n"
        "\n"
        "  source <(outhook completion zsh)\n"
        "\n"
        "What is printed asks back on each Tab: with words of a command line behind --, the\n"
        "last one of which is to be completed, the candidates are printed, one a line.",
    .run = completion_run,
};
