#ifndef OUTHOOK_BASE_ERROR_H
#define OUTHOOK_BASE_ERROR_H

/*
 * A failure, said in one sentence for a person.
 *
 * A function that can fail for an outside reason returns 0, or a negative number of the kind below,
 * and writes the sentence where the reason is known. Callers pass both on unchanged; nobody but the
 * outermost prints. Running out of memory is not such a failure: see memory.h.
 */

#include <errno.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(text, first) __attribute__((format(printf, text, first)))

enum error_kind {
    ERROR_USAGE = -1,   /* the person asked for something that can't be: exit 2 */
    ERROR_FAILED = -2,  /* it did not work, for the reason in the text: exit 1 */
    ERROR_BUSY = -3,    /* another process holds a lock; trying again may work */
    ERROR_FULL = -4,    /* no space left; trying again may work once there is */
    ERROR_DAMAGED = -5, /* the database is corrupt, not ours, or newer: nothing may be written */
    ERROR_STOPPED = -6, /* given up because the program is stopping */
    ERROR_DISK = -7, /* the disk failed, or is read-only: a fresh start may work once it is well */
};

struct error {
    int kind;       /* 0 while nothing has failed */
    char text[600]; /* one sentence, without a full stop or newline */
};

/* Writes the sentence (cut if too long) and returns `kind`, so that callers can write
 * `return error_set(error, ERROR_FAILED, "…")`. `error` may be NULL. */
int error_set(struct error *error, int kind, const char *format, ...) printf_like(3, 4);

/* The exit code that a program ends with for an error of this kind: 2 for wrong usage, else 1. */
int error_exit_code(int kind);

#endif
