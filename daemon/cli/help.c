#include "outhook/cli/help.h"

#include "outhook/cli/pager.h"

#include <stdio.h>

void help_append_name(const struct verb *verb, struct buffer *text) {
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
    option_help(verb_options, text);
    if (verb->verbs)
        buffer_print(text, "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

int help_print(const struct verb *verb) {
    struct buffer text = {0};
    help_append(verb, &text);
    pager_start();
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
    return 0;
}
