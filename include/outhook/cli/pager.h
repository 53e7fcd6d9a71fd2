#ifndef OUTHOOK_CLI_PAGER_H
#define OUTHOOK_CLI_PAGER_H

/*
 * What is too long for a terminal goes through a pager: OUTHOOK_PAGER, or else PAGER, or else less,
 * or more. Either variable may be empty, or cat, for none. less gets options with which it ends by
 * itself when all fits on the screen, unless LESS has the user's own.
 */

/* Sends what is printed from now on through a pager when stdout is a terminal. Does nothing when
 * there is none to be had, or one runs already. */
void pager_start(void);

/* Waits until the person has left the pager, so that what is printed then comes after it. Has to be
 * called before the program ends; does nothing without one. */
void pager_end(void);

#endif
