#ifndef OUTHOOK_STORE_PERMISSION_H
#define OUTHOOK_STORE_PERMISSION_H

/*
 * Who may use a database, for the one who may not: it says what to do about it.
 */

#include "outhook/base/error.h"

/* Says why this process may not use `path` (a database, a file beside it, or its directory, when
 * that may not be written), and which group to join. Returns ERROR_FAILED. Any thread of a program
 * that has no other that asks for users or groups. */
int permission_refuse(const char *path, struct error *error);

#endif
