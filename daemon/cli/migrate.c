#include "outhook/cli/verb.h"

#include <stdio.h>

static int migrate_run(const struct command *command, const void *settings, struct error *error) {
    (void)settings;
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r)
        r = command_open(command, &database, DATABASE_OPERATOR, error);
    if (r)
        return r;

    struct migration_result done = database.migrated;
    if (!done.before)
        printf("created %s, schema version %d\n", database.path, done.after);
    else if (done.before == done.after)
        printf("%s is already at schema version %d\n", database.path, done.after);
    else
        printf("migrated %s from schema version %d to %d\n", database.path, done.before,
               done.after);
    database_close(&database);
    return 0;
}

const struct verb verb_migrate = {
    .name = "migrate",
    .summary = "create the database, or bring it to this version's schema",
    .description = "outhookd does this itself when it starts.",
    .run = migrate_run,
};
