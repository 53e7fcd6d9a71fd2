#include "outhook/cli/verb.h"
#include "outhook/store/safety_copy.h"
#include "outhook/store/schema.h"

#include <stdio.h>
#include <stdlib.h>

struct migrate_settings {
    bool no_copy, repair;
};

#define FIELD(name) offsetof(struct migrate_settings, name)

static const struct option_row migrate_options[] = {
    {"no-copy", NULL, OPTION_FLAG, FIELD(no_copy), 0, 0,
     "Do without the copy of before, such as when there is no room for it."},
    {"repair", NULL, OPTION_FLAG, FIELD(repair), 0, 0,
     "Make triggers, views and indexes anew that were dropped or changed."},
    {0},
};

static void migrate_tell(const struct database *database, bool copied) {
    const struct migration_result *done = &database->migrated;
    if (!done->before)
        printf("created %s, schema version %d\n", database->path, done->after);
    else if (done->before == done->after)
        printf("%s is already at schema version %d\n", database->path, done->after);
    else
        printf("migrated %s from schema version %d to %d\n", database->path, done->before,
               done->after);
    if (!copied || !done->before || done->before == done->after)
        return;
    char *copy = safety_copy_path(database, done->before);
    printf("a copy of before is %s\n", copy);
    free(copy);
}

static int migrate_repair(struct database *database, struct error *error) {
    int count = 0;
    int r = schema_repair(database, &count, error);
    if (!r && count)
        printf("made %d triggers, views and indexes anew\n", count);
    else if (!r)
        printf("every trigger, view and index is as it should be\n");
    return r;
}

static int migrate_run(const struct command *command, const void *settings, struct error *error) {
    const struct migrate_settings *wanted = settings;
    const struct database_options options = {.no_copy = wanted->no_copy};
    struct database database;
    char *path = NULL;
    int r = command_operands(command, 0, error);
    if (!r)
        r = command_path(command, &path, error);
    if (!r)
        r = database_open_with(&database, path, DATABASE_OPERATOR, &options, error);
    free(path);
    if (r)
        return r;
    migrate_tell(&database, !wanted->no_copy);
    if (wanted->repair)
        r = migrate_repair(&database, error);
    database_close(&database);
    return r;
}

const struct verb verb_migrate = {
    .name = "migrate",
    .summary = "create the database, or bring it to this version's schema",
    .description =
        "outhookd does this itself when it starts. Before a database is migrated it is "
        "copied beside\n"
        "itself, as outhook.db.schema-1.backup, where 1 is the version it had. The two "
        "newest such\n"
        "copies are kept.\n"
        "\n"
        "What somebody has dropped or changed by hand outhookd reports, and leaves as it is; "
        "--repair\n"
        "makes that anew, but for tables.",
    .options = migrate_options,
    .settings_bytes = sizeof(struct migrate_settings),
    .run = migrate_run,
};
