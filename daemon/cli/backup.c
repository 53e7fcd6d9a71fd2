#include "outhook/store/backup.h"
#include "outhook/cli/json.h"
#include "outhook/cli/progress.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"

#include <stdio.h>

struct backup_settings {
    bool force, check, json;
};

#define FIELD(name) offsetof(struct backup_settings, name)

static const struct option_row backup_verb_options[] = {
    {"force", NULL, OPTION_FLAG, FIELD(force), 0, 0, "Replace FILE if it is there."},
    {"check", NULL, OPTION_FLAG, FIELD(check), 0, 0,
     "Read the copy once more, page by page, before it gets its name."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object."},
    {0},
};

static bool backup_on_progress(void *context, int64_t done_pages, int64_t total_pages) {
    struct progress *progress = context;
    progress->total = total_pages;
    return progress_show(progress, done_pages);
}

static void backup_print(const char *path, const struct backup_result *result, bool as_json) {
    struct buffer text = {0};
    if (as_json) {
        json_open(&text, NULL, '{');
        json_text(&text, "file", path);
        json_integer(&text, "bytes", result->bytes);
        json_close(&text, '}');
        json_print(&text, false);
    } else {
        text_append_bytes(&text, result->bytes);
        printf("%s, %s\n", path, buffer_text(&text));
    }
    buffer_free(&text);
}

static int backup_run(const struct command *command, const void *settings, struct error *error) {
    const struct backup_settings *wanted = settings;
    struct database database;
    struct backup_result result = {0};
    if (!command->argc)
        return error_set(error, ERROR_USAGE, "where to? outhook backup FILE");
    int r = command_operands(command, 1, error);
    if (!r)
        r = command_open(command, &database, DATABASE_READER, error);
    if (r)
        return r;
    struct progress progress = progress_begin(0);
    const struct backup_options options = {
        .overwrite = wanted->force,
        .check = wanted->check,
        .progress = backup_on_progress,
        .context = &progress,
    };
    r = backup_make(&database, command->argv[0], &options, &result, error);
    progress_end(&progress);
    database_close(&database);
    if (!r)
        backup_print(command->argv[0], &result, wanted->json);
    return r;
}

const struct verb verb_backup = {
    .name = "backup",
    .operands = "FILE",
    .summary = "copy the database to a file, as it is at this moment, while all goes on",
    .description =
        "The copy is whole and consistent, however much is written meanwhile; the write-ahead log\n"
        "grows until it is done. It holds payloads and secrets, so that only you may read it.\n"
        "\n"
        "To restore it: stop outhookd, put the copy in the database's place, remove the -wal and\n"
        "-shm files that are there, and start outhookd. What was delivered since the copy was "
        "made\n"
        "is then delivered again.",
    .options = backup_verb_options,
    .settings_bytes = sizeof(struct backup_settings),
    .run = backup_run,
};
