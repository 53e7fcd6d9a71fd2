/*
 * Makes the manual pages that come from tables: outhook(1) from the verbs and their options,
 * outhookd.conf(5) from the settings. Run by the build: manual outhook.1 | outhookd.conf.5
 */

#include "outhook/cli/argument.h"
#include "outhook/cli/help.h"
#include "outhook/cli/json_field.h"
#include "outhook/cli/verb.h"
#include "outhook/runtime/config.h"

#include <stdio.h>
#include <string.h>

/* ---- roff ------------------------------------------------------------------------------------ */

/* Text that roff takes as it stands (groff_char(7)): no requests, no escapes, real hyphens. */
static void roff_text(const char *text) {
    bool begin = true;
    for (; *text; text++) {
        if (begin && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\'')
            fputs("\\(aq", stdout);
        else if (*text == '`')
            fputs("\\(ga", stdout);
        else if (*text == '^')
            fputs("\\(ha", stdout);
        else if (*text == '~')
            fputs("\\(ti", stdout);
        else
            putchar(*text);
        begin = *text == '\n';
    }
}

static void roff_bold(const char *text) {
    fputs("\\fB", stdout);
    roff_text(text);
    fputs("\\fR", stdout);
}

static void roff_italic(const char *text) {
    fputs("\\fI", stdout);
    roff_text(text);
    fputs("\\fR", stdout);
}

static void roff_title(const char *name, const char *section) {
    printf(".\\\" Made from the program's own tables: don't edit it.\n"
           ".TH %s %s \"\" \"outhook " OUTHOOK_VERSION "\" \"outhook\"\n",
           name, section);
}

static void roff_section(const char *title) {
    printf(".SH %s\n", title);
}

/* Paragraphs parted by blank lines; what is indented is an example. */
static void roff_paragraphs(const char *text) {
    bool example = false;
    puts(".PP");
    while (*text) {
        size_t length = strcspn(text, "\n");
        bool indented = length && *text == ' ';
        if (indented != example)
            puts(indented ? ".PP\n.EX" : ".EE");
        example = indented;
        if (!length && !example && text[1] && text[1] != ' ')
            puts(".PP");
        char line[400];
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (length) {
            roff_text(line);
            putchar('\n');
        }
        text += length + (text[length] == '\n');
    }
    if (example)
        puts(".EE");
}

/* ---- outhook(1) ------------------------------------------------------------------------------ */

static void manual_options(const struct option_row *rows) {
    for (; rows && rows->name; rows++) {
        char name[80];
        puts(".TP");
        snprintf(name, sizeof name, "--%s", rows->name);
        roff_bold(name);
        if (rows->argument) {
            putchar(' ');
            roff_italic(rows->argument);
        }
        putchar('\n');
        roff_text(rows->help);
        putchar('\n');
    }
}

static void manual_verb(const struct verb *verb) {
    struct buffer name = {0};
    help_append_name(verb, &name);
    fputs(".SS ", stdout);
    roff_text(buffer_text(&name));
    printf("%s%s%s\n", verb->options ? " [OPTION ...]" : "", verb->operands ? " " : "",
           verb->operands ? verb->operands : "");
    buffer_free(&name);
    char summary[400];
    snprintf(summary, sizeof summary, "%c%s.", verb->summary[0] - 'a' + 'A', verb->summary + 1);
    roff_text(summary);
    putchar('\n');
    if (verb->description)
        roff_paragraphs(verb->description);
    manual_options(verb->options);
}

/* All verbs that do something, a verb's verbs in its place. */
static void manual_verbs(const struct verb *of) {
    for (size_t i = 0; of->verbs[i]; i++) {
        if (of->verbs[i]->verbs)
            manual_verbs(of->verbs[i]);
        else
            manual_verb(of->verbs[i]);
    }
}

static void manual_json(void) {
    const char *verb = "";
    for (const struct json_field *row = json_fields; row->verb; row++) {
        if (strcmp(verb, row->verb) != 0)
            printf(".SS JSON of outhook %s\n", row->verb);
        verb = row->verb;
        puts(".TP");
        roff_bold(row->path);
        putchar('\n');
        roff_text(row->meaning);
        putchar('\n');
    }
}

static void manual_arguments(void) {
    for (const struct argument *row = arguments; row->name; row++) {
        if (!row->help)
            continue;
        puts(".TP");
        roff_italic(row->name);
        putchar('\n');
        roff_text(row->help);
        putchar('\n');
    }
}

static void manual_command(void) {
    roff_title("OUTHOOK", "1");
    roff_section("NAME");
    roff_text("outhook - ");
    roff_text(verb_outhook.summary);
    putchar('\n');
    roff_section("SYNOPSIS");
    puts("\\fBouthook\\fR \\fIVERB\\fR [\\fIOPTION\\fR ...] [\\fIOPERAND\\fR ...]");
    roff_section("DESCRIPTION");
    roff_text(
        "The operator's command works on the database, whether or not outhookd runs. It finds "
        "the database by --database, by OUTHOOK_DATABASE in the environment, or in the "
        "daemon's configuration. All of it can be done in SQL, too: see outhook-sql(7).\n");
    roff_section("VERBS");
    manual_verbs(&verb_outhook);
    roff_section("OPTIONS OF ALL VERBS");
    manual_options(verb_options);
    roff_section("ARGUMENTS");
    manual_arguments();
    roff_section("JSON");
    roff_text("With --json, objects are printed a line each. Times end in _at and are milliseconds "
              "since 1970. The members below and their meanings stay; others may be added.\n");
    manual_json();
    roff_section("EXIT STATUS");
    puts("0: done. 1: failed. 2: wrong usage. An error is one sentence on standard error.");
    roff_section("ENVIRONMENT");
    puts(
        ".TP\n.B OUTHOOK_DATABASE\nThe database file.\n.TP\n.B NO_COLOR\nNo colours, "
        "whatever its value.\n.TP\n.B TERM\nWhere it is dumb, there are no colours, and nothing is "
        "drawn over.\n.TP\n.B COLUMNS\nThe terminal\\(aqs width.");
    puts(".TP\n.BR OUTHOOK_PAGER \", \" PAGER\nWhat shows long output on a terminal; the first of "
         "them that is set counts. Empty or cat: nothing does. Unless one is set, it is less, with "
         "the options FRSXMK where the environment has no LESS, or more.");
    roff_section("SEE ALSO");
    puts(".BR outhookd (8),\n.BR outhookd.conf (5),\n.BR outhook\\-sql (7),\n.BR sqlite3 (1)");
}

/* ---- outhookd.conf(5) ------------------------------------------------------------------------ */

static void manual_setting(const char *name, const char *initial, const char *documentation,
                           bool at_start) {
    puts(".TP");
    roff_bold(name);
    putchar('\n');
    roff_text(documentation);
    fputs(" Default: ", stdout);
    roff_text(*initial ? initial : "empty");
    puts(at_start ? ".\nA change needs a restart." : ".");
}

static void manual_settings(void) {
    enum { AT_RELOAD, AT_START };
    roff_title("OUTHOOKD.CONF", "5");
    roff_section("NAME");
    puts("outhookd.conf \\- configuration of outhookd");
    roff_section("SYNOPSIS");
    puts(CONFIG_DEFAULT_FILE);
    roff_section("DESCRIPTION");
    roff_text("Lines of name = value; what follows ; or # at the beginning of a line is a comment. "
              "Durations are such as 250ms, 30s, 5m, 12h, 7d; bytes such as 4096, 64K, 16M. "
              "outhookd --check says what is wrong with it, and --set name=value wins over it.\n"
              "A change takes effect by systemctl reload outhookd, but where it says that it needs "
              "a restart. A file with a mistake changes nothing, and the log says why.\n");
    roff_section("SETTINGS");
#define MANUAL_SETTING(name, type, initial, least, most, words, applies, documentation)            \
    manual_setting(#name, initial, documentation, (applies) == AT_START);
    SETTINGS(MANUAL_SETTING)
#undef MANUAL_SETTING
    roff_section("FILES");
    puts(".TP\n.I " CONFIG_DEFAULT_FILE "\nRead unless --config names another one.");
    roff_section("SEE ALSO");
    puts(".BR outhookd (8),\n.BR outhook (1)");
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "outhook.1"))
        manual_command();
    else if (argc == 2 && !strcmp(argv[1], "outhookd.conf.5"))
        manual_settings();
    else
        return fputs("usage: manual outhook.1 | outhookd.conf.5\n", stderr), 2;
    return fflush(stdout) || ferror(stdout);
}
