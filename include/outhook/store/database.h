#ifndef OUTHOOK_STORE_DATABASE_H
#define OUTHOOK_STORE_DATABASE_H

/*
 * One connection to the database, set up the way outhook needs it, with errors as sentences.
 *
 * A connection belongs to one thread. Statements are prepared once and kept by the module that uses
 * them. Only the files of daemon/store/ see what the SQLite types behind this hold.
 */

#include "outhook/base/error.h"
#include "outhook/store/migration.h"

#include <stdbool.h>
#include <stdint.h>

/* SQLite's, for the files of store/ alone: sqlite3.h is included there and nowhere else. */
struct sqlite3;
struct sqlite3_stmt;

/* Who opens: it decides what the connection may do and how it waits for locks. */
enum database_role {
    DATABASE_DAEMON, /* creates and migrates; writes with the triggers off; waits in its own way */
    DATABASE_OPERATOR, /* creates and migrates; writes as people do, triggers on; waits 10 s */
    DATABASE_PERSON,   /* writes likewise, to an existing, current database only; waits 10 s */
    DATABASE_READER,   /* reads an existing, current database; waits 10 s */
};

/* What opening may take into account. */
struct database_options {
    int64_t cache_bytes; /* bounds the page cache; 0 leaves SQLite's default */
    bool no_copy;        /* migrate without the copy of before (safety_copy.h) */
    /* Asked often while opening waits for a lock, copies or migrates; false gives up, with
     * ERROR_STOPPED. May be NULL. */
    bool (*go_on)(void *context);
    void *context;
};

struct database {
    struct sqlite3 *handle; /* NULL while closed */
    char *path;             /* as given, for people */
    const char *file; /* the file itself, links resolved; its -wal lies beside it. SQLite's. */
    enum database_role role;
    struct migration_result migrated; /* what opening it found and did, when the role migrates */
    const struct database_options *opening; /* while it is being opened */
};

/* Opens `path`, creating the file (group-writable, whatever the umask) and applying migrations when
 * the role allows it, and refuses with a sentence what is no database of ours, or a newer one.
 * `cache_bytes` bounds the page cache; 0 leaves SQLite's default. Closed with database_close().
 * Returns 0, or an error kind. */
int database_open(struct database *database, const char *path, enum database_role role,
                  int64_t cache_bytes, struct error *error) must_check;

/* The same with options, which need not outlive the call. */
int database_open_with(struct database *database, const char *path, enum database_role role,
                       const struct database_options *options, struct error *error) must_check;
/* Nothing more is written when it is closed: the log stays as it is. Harmless when it isn't open.
 */
void database_abandon(struct database *database);

/* Closes; harmless when closed. Every statement must have been finalized. */
void database_close(struct database *database);

/* Runs one or more statements that return nothing. */
int database_run(struct database *database, const char *sql, struct error *error) must_check;

/* Runs a query that gives one integer; *value keeps what it was when there is no row or a NULL. */
int database_integer(struct database *database, const char *sql, int64_t *value,
                     struct error *error) must_check;

/* Prepares a statement to keep. Its owner frees it with sqlite3_finalize(). */
int database_prepare(struct database *database, struct sqlite3_stmt **statement, const char *sql,
                     struct error *error) must_check;

/* Turns a failed call's result code into a sentence and an error kind:
 * SQLITE_BUSY to ERROR_BUSY, SQLITE_FULL to ERROR_FULL, SQLITE_CORRUPT and SQLITE_NOTADB to
 * ERROR_DAMAGED, SQLITE_IOERR to ERROR_DISK (with what disk.h knows better), all else to
 * ERROR_FAILED. `doing` says what was tried: "read the queue". */
int database_error(struct database *database, int code, const char *doing, struct error *error);

/* A text column as it stands, until the statement's next step, or NULL. */
const char *database_text_in(struct sqlite3_stmt *statement, int column);

/* A text column's copy, freed with free(), or NULL. */
char *database_text(struct sqlite3_stmt *statement, int column);

/* Binds a text, or NULL for NULL. The text must live until the statement is reset. */
void database_bind_text(struct sqlite3_stmt *statement, int parameter, const char *text);

#endif
