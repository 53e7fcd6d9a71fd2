#ifndef OUTHOOK_CLI_TERMINAL_H
#define OUTHOOK_CLI_TERMINAL_H

/*
 * What the other end of stdout is: a person's terminal, with a width and perhaps colours, or a
 * program.
 */

#include <stdbool.h>

/* Whether stdout is a terminal, or was before a pager came in between. */
bool terminal_is_stdout(void);

/* The columns that a line may have: COLUMNS, or the terminal's own; no bound when stdout is no
 * terminal, for a program wants the data whole. */
int terminal_columns(void);

/* The escape sequence of a style, "" when stdout shows no colours: no terminal, TERM=dumb,
 * NO_COLOR. */
enum terminal_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BAD, STYLE_WARN };
const char *terminal_style(enum terminal_style style);

/* The style of a delivery's status. */
enum terminal_style terminal_status_style(const char *status);

/* Asks on the terminal. True for y or yes. */
bool terminal_confirm(const char *question);

#endif
