#include "outhook/base/memory.h"
#include "outhook/cli/endpoint.h"
#include "outhook/cli/endpoint_settings.h"
#include "outhook/delivery/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row set_options[] = {
    ENDPOINT_OPTION("url", "URL", OPTION_TEXT, url, "Where it sends to."),
    ENDPOINT_OPTION(
        "subscribe", "PATTERN", OPTION_TEXTS, subscribe,
        "Subscribe it to the types that match: 'invoice.*' or '*'; may be given several "
        "times."),
    ENDPOINT_OPTION("unsubscribe", "PATTERN", OPTION_TEXTS, unsubscribe,
                    "Take such a pattern back."),
    ENDPOINT_OPTIONS,
    ENDPOINT_OPTION("no-ordered", NULL, OPTION_FLAG, no_ordered, "Not in order."),
    ENDPOINT_OPTION("no-tls-insecure", NULL, OPTION_FLAG, no_tls_insecure,
                    "Certificates have to be valid."),
    ENDPOINT_OPTION("no-allow-private", NULL, OPTION_FLAG, no_allow_private,
                    "Its address has to be a public one."),
    {0},
};

/* ---- key=value ------------------------------------------------------------------------------- */

static const char *set_flag(const char *value) {
    static const char *const on[] = {"1", "yes", "true", "on"};
    static const char *const off[] = {"", "0", "no", "false", "off"};
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        if (!strcmp(value, on[i]))
            return "--";
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (!strcmp(value, off[i]))
            return "--no-";
    return NULL;
}

/* Writes rate_limit=5 as --rate-limit=5, and ordered=no as --no-ordered. */
static int set_word(const char *operand, char **word, struct error *error) {
    const char *equals = strchr(operand, '=');
    if (!equals || equals == operand)
        return error_set(error, ERROR_USAGE, "%.100s: write it as setting=value", operand);
    char *key = memory_copy_string(operand);
    key[equals - operand] = '\0';
    for (char *c = key; *c; c++)
        *c = *c == '_' ? '-' : *c;

    bool is_flag =
        !strcmp(key, "ordered") || !strcmp(key, "tls-insecure") || !strcmp(key, "allow-private");
    const char *dashes = is_flag ? set_flag(equals + 1) : "--";
    int r = 0;
    if (!dashes)
        r = error_set(error, ERROR_USAGE, "%.100s: it has to be yes or no", operand);
    else
        *word = memory_print("%s%s%s", dashes, key, is_flag ? "" : equals);
    free(key);
    return r;
}

/* Reads the operands after the name. `words` is the memory that `options` will point into. */
static int set_words(const struct command *command, char **words, struct endpoint_options *options,
                     struct error *error) {
    words[0] = memory_copy_string("set");
    for (int i = 1; i < command->argc; i++) {
        int r = set_word(command->argv[i], &words[i], error);
        if (r)
            return r;
    }
    char **argv = memory_new((size_t)command->argc + 1, sizeof *argv);
    memcpy(argv, words, (size_t)command->argc * sizeof *argv);
    const struct option_parse tables[] = {{set_options, options}, {0}};
    int first;
    int r = option_read(tables, command->argc, argv, false, &first, error);
    free(argv);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static bool set_nothing(const struct endpoint_edit *edit) {
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        if (edit->settings[i].given)
            return false;
    return !edit->subscribe_count && !edit->unsubscribe_count;
}

static int set_apply(struct database *database, const struct command *command,
                     const struct endpoint_record *record, struct endpoint_edit *edit,
                     struct error *error) {
    if (set_nothing(edit))
        return error_set(error, ERROR_USAGE,
                         "set what? Give settings, such as rate_limit=10: outhook endpoint set "
                         "--help lists them all");
    struct seal_keys keys;
    char *made = NULL;
    command_keys(command, NULL, &keys, NULL);
    edit->keys = &keys;
    int r = endpoint_change(database, record->id, edit, &made, error);
    if (!r)
        printf("%s is changed\n", endpoint_record_label(record));
    if (!r && made)
        endpoint_print_secret(made);
    endpoint_secret_free(made);
    seal_keys_wipe(&keys);
    return r;
}

static int set_run(const struct command *command, const void *settings, struct error *error) {
    struct endpoint_options worded = {0};
    struct endpoint_settings read = {0};
    struct endpoint_record record;
    struct database database;
    char **words = memory_new((size_t)command->argc + 1, sizeof *words);
    int r = command->argc ? set_words(command, words, &worded, error) : 0;
    if (!r)
        r = endpoint_open(command, command->argc, DATABASE_PERSON, &database, &record, error);
    if (!r) {
        r = endpoint_settings_read(&database, settings, &read, error);
        if (!r)
            r = endpoint_settings_read(&database, &worded, &read, error);
        if (!r)
            r = set_apply(&database, command, &record, &read.edit, error);
        endpoint_close(&database, &record);
    }
    endpoint_settings_free(&read);
    option_free(set_options, &worded);
    for (int i = 0; i < command->argc; i++)
        free(words[i]);
    free(words);
    return r;
}

const struct verb verb_endpoint_set = {
    .within = "endpoint",
    .name = "set",
    .operands = "ENDPOINT [SETTING=VALUE …]",
    .summary = "change an endpoint's settings and subscriptions",
    .description = "A setting may be written as an option or as SETTING=VALUE: --rate-limit 10 or\n"
                   "rate_limit=10. An empty value goes back to the configured default.\n"
                   "\n"
                   "  outhook endpoint set billing rate_limit=10 timeout=30s ordered=yes\n"
                   "  outhook endpoint set billing --rate-limit '' --subscribe 'refund.*'",
    .options = set_options,
    .settings_bytes = sizeof(struct endpoint_options),
    .run = set_run,
};
