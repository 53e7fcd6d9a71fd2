#ifndef OUTHOOK_CLI_HELP_H
#define OUTHOOK_CLI_HELP_H

/*
 * The help of a verb, made of its row in the table and of its options.
 */

#include "outhook/cli/verb.h"

/* Appends a verb's whole name: "outhook", "outhook list", "outhook endpoint add". */
void help_append_name(const struct verb *verb, struct buffer *text);

/* Prints a verb's help on stdout. Returns 0. */
int help_print(const struct verb *verb);

#endif
