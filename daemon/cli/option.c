#include "outhook/cli/option.h"

#include "outhook/base/clock.h"
#include "outhook/base/duration.h"
#include "outhook/base/memory.h"
#include "outhook/base/moment.h"
#include "outhook/base/name.h"
#include "outhook/cli/text.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_HELP_COLUMN = 28, OPTION_HELP_WIDTH = 80, OPTION_BEYOND_LETTERS = 256 };

/* One option as getopt sees it, and where its value goes. */
struct known {
    const struct option_row *row;
    void *settings;
};

struct reading {
    struct known known[OPTIONS_MAX];
    struct option getopt[OPTIONS_MAX + 1];
    int count;
};

/* ---- values ---------------------------------------------------------------------------------- */

static void *option_field(const struct known *known) {
    return (char *)known->settings + known->row->offset;
}

static int option_set_integer(const struct known *known, const char *text, struct error *error) {
    const struct option_row *row = known->row;
    struct option_number *number = option_field(known);
    char *end = NULL;
    errno = 0;
    long long value = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
    if (!end || *end || errno || value < row->least || value > row->most)
        return error_set(error, ERROR_USAGE,
                         "--%s %.100s: it has to be a whole number from %" PRId64 " to %" PRId64,
                         row->name, text, row->least, row->most);
    *number = (struct option_number){true, value};
    return 0;
}

static int option_set_duration(const struct known *known, const char *text, struct error *error) {
    struct option_number *number = option_field(known);
    if (!duration_parse(text, strlen(text), &number->value))
        return error_set(error, ERROR_USAGE,
                         "--%s %.100s: it has to be a duration such as 250ms, 30s, 5m, 12h or 7d",
                         known->row->name, text);
    number->given = true;
    return 0;
}

static int option_set_time(const struct known *known, const char *text, struct error *error) {
    struct option_number *number = option_field(known);
    if (!moment_parse(text, clock_now().wall_ms, &number->value))
        return error_set(error, ERROR_USAGE,
                         "--%s %.100s: it has to be so long ago, such as 30m, 12h or 7d, or a time "
                         "in UTC, such as 2026-05-01 or 2026-05-01T12:30",
                         known->row->name, text);
    number->given = true;
    return 0;
}

static int option_set(const struct known *known, const char *text, struct error *error) {
    struct option_texts *texts = option_field(known);
    switch (known->row->kind) {
    case OPTION_FLAG:
        *(bool *)option_field(known) = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)option_field(known) = text;
        return 0;
    case OPTION_TEXTS:
        texts->items = memory_resize(texts->items, texts->count + 1, sizeof *texts->items);
        texts->items[texts->count++] = text;
        return 0;
    case OPTION_INTEGER:
        return option_set_integer(known, text, error);
    case OPTION_DURATION:
        return option_set_duration(known, text, error);
    case OPTION_TIME:
        break;
    }
    return option_set_time(known, text, error);
}

void option_free(const struct option_row *rows, void *settings) {
    for (; rows && rows->name; rows++)
        if (rows->kind == OPTION_TEXTS) {
            const struct known known = {rows, settings};
            struct option_texts *texts = option_field(&known);
            free(texts->items);
            *texts = (struct option_texts){0};
        }
}

/* ---- reading --------------------------------------------------------------------------------- */

static void reading_add(struct reading *reading, const struct option_parse *table) {
    for (const struct option_row *row = table->rows; row->name; row++) {
        if (reading->count == OPTIONS_MAX)
            abort(); /* a verb with more options needs a larger OPTIONS_MAX */
        reading->known[reading->count] = (struct known){row, table->settings};
        /* glibc takes options of one value for the same, and what both begin with for the first. */
        reading->getopt[reading->count] =
            (struct option){row->name, row->argument ? required_argument : no_argument, NULL,
                            OPTION_BEYOND_LETTERS + reading->count};
        reading->count++;
    }
}

static const char *option_nearest(const struct reading *reading, const char *name) {
    const char *nearest = NULL;
    for (int i = 0; i < reading->count; i++) {
        const char *candidate = reading->known[i].row->name;
        if (name_is_near(name, candidate) &&
            (!nearest || name_distance(name, candidate) < name_distance(name, nearest)))
            nearest = candidate;
    }
    return nearest;
}

/* How many options begin with a name, as getopt lets people shorten them; 1 when one is it. */
static int option_candidates(const struct reading *reading, const char *name) {
    int candidates = 0;
    for (int i = 0; i < reading->count; i++) {
        const char *candidate = reading->known[i].row->name;
        if (!strcmp(candidate, name))
            return 1;
        candidates += !strncmp(candidate, name, strlen(name));
    }
    return candidates;
}

/* What getopt didn't like about `word`, an option with two dashes. */
static int option_refuse(const struct reading *reading, bool needs_value, const char *word,
                         struct error *error) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    if (needs_value)
        return error_set(error, ERROR_USAGE, "--%s needs a value: --help says which", name);

    int candidates = option_candidates(reading, name);
    if (candidates > 1)
        return error_set(error, ERROR_USAGE, "--%s may be one of %d options: write it out", name,
                         candidates);
    if (candidates == 1)
        return error_set(error, ERROR_USAGE, "--%s takes no value", name);

    const char *nearest = option_nearest(reading, name);
    if (nearest)
        return error_set(error, ERROR_USAGE, "there is no option --%s; did you mean --%s?", name,
                         nearest);
    return error_set(error, ERROR_USAGE, "there is no option --%s: --help lists them all", name);
}

/* -h, the only letter there is. */
static int option_set_help(const struct reading *reading, struct error *error) {
    for (int i = 0; i < reading->count; i++)
        if (!strcmp(reading->known[i].row->name, "help"))
            return option_set(&reading->known[i], NULL, error);
    return 0;
}

int option_read(const struct option_parse *tables, int argc, char **argv, bool stop_early,
                int *first, struct error *error) {
    struct reading reading = {0};
    for (; tables->rows; tables++)
        reading_add(&reading, tables);

    opterr = 0;
    optind = 0; /* makes glibc begin anew */
    for (;;) {
        int index = -1;
        optopt = 0;
        int letter = getopt_long(argc, argv, stop_early ? "+:h" : ":h", reading.getopt, &index);
        if (letter == -1)
            break;
        if ((letter == '?' || letter == ':') && (!optopt || optopt >= OPTION_BEYOND_LETTERS))
            return option_refuse(&reading, letter == ':', argv[optind - 1], error);
        if (letter == '?')
            return error_set(error, ERROR_USAGE,
                             "there is no option -%c: options are written --name", optopt);
        int r = letter == 'h' ? option_set_help(&reading, error)
                              : option_set(&reading.known[index], optarg, error);
        if (r)
            return r;
    }
    *first = optind;
    return 0;
}

/* ---- help ------------------------------------------------------------------------------------ */

/* Breaks `words` into lines that begin at a column. */
static void help_wrap(struct buffer *text, const char *words) {
    size_t room = OPTION_HELP_WIDTH - OPTION_HELP_COLUMN, used = 0;
    while (*words) {
        size_t length = strcspn(words, " ");
        if (used && used + 1 + length > room) {
            buffer_print(text, "\n%*s", OPTION_HELP_COLUMN, "");
            used = 0;
        }
        buffer_print(text, "%s%.*s", used ? " " : "", (int)length, words);
        used += length + (used ? 1 : 0);
        words += length;
        words += strspn(words, " ");
    }
    buffer_print(text, "\n");
}

void option_help(const struct option_row *rows, struct buffer *text) {
    for (; rows && rows->name; rows++) {
        size_t start = text->length;
        buffer_print(text, "  --%s%s%s", rows->name, rows->argument ? " " : "",
                     rows->argument ? rows->argument : "");
        size_t used = (size_t)text_columns(text->data + start, text->length - start);
        if (used + 2 > OPTION_HELP_COLUMN)
            buffer_print(text, "\n%*s", OPTION_HELP_COLUMN, "");
        else
            buffer_print(text, "%*s", (int)(OPTION_HELP_COLUMN - used), "");
        help_wrap(text, rows->help);
    }
}
