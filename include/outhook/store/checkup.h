#ifndef OUTHOOK_STORE_CHECKUP_H
#define OUTHOOK_STORE_CHECKUP_H

/*
 * Looks whether the database is well: what is in it, and the files that it is made of. Each finding
 * is a sentence that says what to do, unless there is nothing to do.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct database;

/* X(NAME, word) */
#define CHECKUP_LEVELS(X)                                                                          \
    X(GOOD, "good")       /* as it should be */                                                    \
    X(NOTE, "note")       /* worth knowing */                                                      \
    X(WARNING, "warning") /* will go wrong, or already does in part */                             \
    X(BAD, "bad")         /* is wrong */

enum checkup_level {
#define CHECKUP_CONSTANT(name, word) CHECKUP_##name,
    CHECKUP_LEVELS(CHECKUP_CONSTANT)
#undef CHECKUP_CONSTANT
};

const char *checkup_level_word(enum checkup_level level);

struct checkup {
    /* Takes a finding about `subject`, such as "space". Both are lent. */
    void (*find)(void *context, enum checkup_level level, const char *subject, const char *text);
    void *context;
};

/* Tells a finding. */
void checkup_find(const struct checkup *checkup, enum checkup_level level, const char *subject,
                  const char *format, ...) printf_like(4, 5);

/* Looks at the pages (all of them, and with `full` also whether the indexes agree with the tables,
 * which takes several times as long), at the counts, and at what belongs together. An error is one
 * of reading. */
int checkup_contents(struct database *database, bool full, const struct checkup *checkup,
                     struct error *error) must_check;

/* Looks at the files and their directory: owners, permissions, space, file system. */
void checkup_files(const struct database *database, const struct checkup *checkup);

#endif
