#ifndef OUTHOOK_CLI_ARGUMENT_H
#define OUTHOOK_CLI_ARGUMENT_H

/*
 * What the names of arguments in the help stand for (`--status STATUS`, `show ID`), from one table,
 * so that a name means the same with every verb: it says what may be written there, to people and
 * to the shell's completion. A name that isn't in the table stands for free text.
 */

#include <stddef.h>

enum argument_kind {
    ARGUMENT_TEXT,
    ARGUMENT_WORDS, /* one of `words` */
    ARGUMENT_LIST,  /* one of them, or several parted by commas */
    ARGUMENT_FILE,
    ARGUMENT_ENDPOINT, /* the name of one, or the URL of one that has no name */
    ARGUMENT_VERB,
};

struct argument {
    const char *name;
    enum argument_kind kind;
    const char *words; /* parted by blanks; NULL unless the kind has some */
    const char *help;  /* a sentence */
};

/* Ends with an all-zero row. */
extern const struct argument arguments[];

/* The row of a name of `length` bytes; a row of the kind ARGUMENT_TEXT, with no help, when there is
 * none. */
const struct argument *argument_find(const char *name, size_t length);

/* Finds the next name in a verb's operands ("NAME [ID …]") from *text on, which moves behind it.
 * NULL at the end. */
const char *argument_next(const char **text, size_t *length);

#endif
