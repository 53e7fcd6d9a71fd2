#ifndef OUTHOOK_STORE_DISK_H
#define OUTHOOK_STORE_DISK_H

/*
 * What the disk did, behind the result codes of SQLite, which tells a quota as an input/output
 * error, a read error as a damaged database, and a read-only file system as a lack of permission.
 */

#include "outhook/base/error.h"

struct sqlite3;

/* What a failed call's code (an extended one) stands for in truth: SQLITE_FULL, SQLITE_IOERR, or
 * the same code again. *reason becomes the errno behind it, or 0 when that is not known. `handle`
 * may be NULL. The connection's thread. */
int disk_judge(struct sqlite3 *handle, const char *path, int code, int *reason);

/* Says that the disk has failed or is read-only, and what to do; returns ERROR_DISK. `doing` as
 * with database_error(). */
int disk_refuse(const char *path, const char *doing, int reason, struct error *error);

#endif
