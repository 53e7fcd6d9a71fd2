#ifndef OUTHOOK_CLI_OPTION_H
#define OUTHOOK_CLI_OPTION_H

/*
 * The options of a verb, from one table: it parses the command line and prints the help. An
 * option's value goes into a field of the verb's settings, a struct that starts all zero.
 *
 * One thread. What is parsed points into argv.
 */

#include "outhook/base/buffer.h"
#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field's type by the option's kind. */
enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *; the last one given wins */
    OPTION_TEXTS,    /* struct option_texts; each one given counts */
    OPTION_INTEGER,  /* struct option_number */
    OPTION_DURATION, /* struct option_number, in ms */
    OPTION_TIME,     /* struct option_number, in ms since 1970: see moment.h */
};

struct option_texts {
    const char **items;
    size_t count;
};

struct option_number {
    bool given;
    int64_t value;
};

struct option_row {
    const char *name;     /* without the dashes */
    const char *argument; /* its name in the help; NULL for a flag */
    enum option_kind kind;
    size_t offset;       /* of the field in the settings */
    int64_t least, most; /* of an integer */
    const char *help;
};

/* A table ends with an all-zero row. */
#define OPTIONS_MAX 40

struct option_parse {
    const struct option_row *rows;
    void *settings;
};

/* Reads the options of argv[1] and on, by `tables` (which ends with a NULL rows). Operands, what is
 * no option, are moved behind them; with `stop_early` the first operand ends the options. *first
 * becomes the first operand's index. An ERROR_USAGE names what was wrong, and what may have been
 * meant. */
int option_read(const struct option_parse *tables, int argc, char **argv, bool stop_early,
                int *first, struct error *error) must_check;

/* Frees the lists of the OPTION_TEXTS among the settings. */
void option_free(const struct option_row *rows, void *settings);

/* Appends a line or more for each option. */
void option_help(const struct option_row *rows, struct buffer *text);

#endif
