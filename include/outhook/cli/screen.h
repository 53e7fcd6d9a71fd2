#ifndef OUTHOOK_CLI_SCREEN_H
#define OUTHOOK_CLI_SCREEN_H

/*
 * Output that is drawn again and again: on a terminal over itself, on a screen of its own, which is
 * taken away at the end; in a pipe, and where TERM is dumb, one below the other. One at a time, one
 * thread.
 *
 * On a terminal Ctrl-C, and all else that ends the program, gives the terminal back first, and
 * Ctrl-Z for as long as the program stands still.
 */

#include <stdbool.h>
#include <stdint.h>

enum screen_key { SCREEN_TIME = 0, SCREEN_END = -1 };

/* Whether it is drawn over itself, and keys are taken: stdout is a terminal, and TERM not dumb. */
bool screen_is_drawn(void);

void screen_open(void);
void screen_close(void);

/* From screen_begin() on, what is printed to stdout makes a picture, which screen_end() shows: on a
 * terminal as many of its lines as there is room for. `apart` puts an empty line between two of
 * them in a pipe. */
void screen_begin(void);
void screen_end(bool apart);

/* The lines that a picture may have; a large number in a pipe. */
int screen_rows(void);

/* Waits for `ms`, or until the terminal's size changes: SCREEN_TIME; or for a key: its letter; or
 * until the person wants to leave, or nobody reads any more: SCREEN_END. */
int screen_wait(int64_t ms);

#endif
