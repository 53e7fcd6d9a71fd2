#include "outhook/cli/endpoint.h"
#include "outhook/cli/endpoint_settings.h"
#include "outhook/cli/json.h"
#include "outhook/delivery/signature.h"

#include <inttypes.h>
#include <stdio.h>

static const struct option_row add_options[] = {
    ENDPOINT_OPTION(
        "type", "PATTERN", OPTION_TEXTS, subscribe,
        "Subscribe it to the types that match: 'invoice.*' or '*'; may be given several "
        "times."),
    ENDPOINT_OPTION("secret", "SECRET", OPTION_TEXT, secret,
                    "Its secret; generated when none is given. - reads it from the standard "
                    "input."),
    ENDPOINT_OPTIONS,
    ENDPOINT_OPTION("json", NULL, OPTION_FLAG, json, "Print the result as JSON."),
    {0},
};

static void add_print(const char *name, int64_t id, const char *secret, bool as_json) {
    if (as_json) {
        struct buffer json = {0};
        json_open(&json, NULL, '{');
        json_integer(&json, "id", id);
        json_text(&json, "name", name);
        json_text(&json, "secret", secret);
        json_close(&json, '}');
        json_print(&json, false);
        buffer_free(&json);
        return;
    }
    printf("%-12s%s, id %" PRId64 "\n", "endpoint", name, id);
    if (secret)
        endpoint_print_secret(secret);
}

/* A secret that can't sign would only be noticed by the first call. */
static int add_check_secret(const struct endpoint_edit *edit, const char *secret,
                            struct error *error) {
    const char *word = edit->settings[ENDPOINT_SIGNING].given
                           ? edit->settings[ENDPOINT_SIGNING].text
                           : signing_name(SIGNING_STANDARD);
    enum signing signing;
    if (!secret || !signing_parse(word, &signing))
        return 0;
    if (signing == SIGNING_NONE)
        return error_set(error, ERROR_USAGE, "--secret: with --signing none there is none");
    return signature_secret_check(signing, secret, error);
}

static int add_endpoint(struct database *database, const struct command *command,
                        const struct endpoint_options *options, const char *secret,
                        struct error *error) {
    struct endpoint_settings settings = {0};
    int64_t id = 0;
    char *made = NULL;
    int r = endpoint_settings_read(database, options, &settings, error);
    settings.edit.settings[ENDPOINT_URL] = (struct endpoint_edit_value){true, command->argv[1]};
    if (!r)
        r = add_check_secret(&settings.edit, secret, error);
    if (!r)
        r = endpoint_add(database, command->argv[0], &settings.edit, secret, &id, &made, error);
    if (!r)
        add_print(command->argv[0], id, made, options->json);
    endpoint_secret_free(made);
    endpoint_settings_free(&settings);
    return r;
}

static int add_run(const struct command *command, const void *settings, struct error *error) {
    const struct endpoint_options *options = settings;
    if (command->argc < 2)
        return error_set(error, ERROR_USAGE, "an endpoint needs a NAME and a URL");
    struct database database;
    char *secret = NULL;
    int r = command_operands(command, 2, error);
    if (!r)
        r = endpoint_secret_option(options->secret, &secret, error);
    if (!r)
        r = command_open(command, &database, DATABASE_PERSON, error);
    if (!r) {
        r = add_endpoint(&database, command, options, secret, error);
        database_close(&database);
    }
    endpoint_secret_free(secret);
    return r;
}

const struct verb verb_endpoint_add = {
    .within = "endpoint",
    .name = "add",
    .operands = "NAME URL",
    .summary = "add an endpoint, and print its secret",
    .description = "What isn't given is as the daemon's configuration says, now and later.",
    .options = add_options,
    .settings_bytes = sizeof(struct endpoint_options),
    .run = add_run,
};
