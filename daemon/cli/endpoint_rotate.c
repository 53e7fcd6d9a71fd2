#include "outhook/base/clock.h"
#include "outhook/cli/endpoint.h"
#include "outhook/cli/json.h"
#include "outhook/cli/text.h"
#include "outhook/delivery/signature.h"
#include "outhook/store/endpoint_admin.h"

#include <stdio.h>

enum { ROTATE_GRACE_USUAL_MS = 24 * 3600 * 1000 };

struct rotate_settings {
    struct option_number grace;
    const char *secret;
    bool json;
};

#define FIELD(name) offsetof(struct rotate_settings, name)

static const struct option_row rotate_options[] = {
    {"grace", "DURATION", OPTION_DURATION, FIELD(grace), 0, 0,
     "How long the secrets before it go on to sign, too; 24h by default."},
    {"secret", "SECRET", OPTION_TEXT, FIELD(secret), 0, 0,
     "The new secret; generated when none is given. - reads it from the standard input."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print the result as JSON."},
    {0},
};

static void rotate_print(const struct endpoint_record *record, const char *secret, int64_t until_at,
                         bool as_json) {
    struct buffer text = {0};
    if (as_json) {
        json_open(&text, NULL, '{');
        json_text(&text, "name", record->name);
        json_text(&text, "secret", secret);
        json_integer(&text, "earlier_secrets_expire_at", until_at);
        json_close(&text, '}');
        json_print(&text, false);
    } else {
        endpoint_print_secret(secret);
        text_append_time(&text, until_at);
        if (record->secret_count)
            printf("%-12sthe earlier ones sign until %s\n", "grace", buffer_text(&text));
    }
    buffer_free(&text);
}

static int rotate_check(const struct endpoint_record *record, const char *secret,
                        struct error *error) {
    enum signing signing;
    if (!record->name)
        return error_set(error, ERROR_FAILED,
                         "an endpoint without a name has no secret of its own: default_secret of "
                         "the configuration signs calls to it");
    if (!signing_parse(record->settings[ENDPOINT_SIGNING], &signing) || signing == SIGNING_NONE)
        return error_set(error, ERROR_FAILED,
                         "calls to %.200s are not signed: outhook endpoint set %.200s "
                         "signing=standard changes that",
                         record->name, record->name);
    return secret ? signature_secret_check(signing, secret, error) : 0;
}

static int rotate_secret(struct database *database, const struct endpoint_record *record,
                         const struct rotate_settings *rotate, const char *secret,
                         struct error *error) {
    int64_t grace_ms = rotate->grace.given ? rotate->grace.value : ROTATE_GRACE_USUAL_MS;
    char *made = NULL;
    int r = rotate_check(record, secret, error);
    if (!r)
        r = endpoint_rotate(database, record->id, secret, grace_ms, &made, error);
    if (!r && made)
        rotate_print(record, made, clock_now().wall_ms + grace_ms, rotate->json);
    endpoint_secret_free(made);
    return r;
}

static int rotate_run(const struct command *command, const void *settings, struct error *error) {
    const struct rotate_settings *rotate = settings;
    struct endpoint_record record;
    struct database database;
    char *secret = NULL;
    int r = endpoint_secret_option(rotate->secret, &secret, error);
    if (!r)
        r = endpoint_open(command, 1, DATABASE_PERSON, &database, &record, error);
    if (!r) {
        r = rotate_secret(&database, &record, rotate, secret, error);
        endpoint_close(&database, &record);
    }
    endpoint_secret_free(secret);
    return r;
}

const struct verb verb_endpoint_rotate_secret = {
    .within = "endpoint",
    .name = "rotate-secret",
    .operands = "ENDPOINT",
    .summary = "give an endpoint a new secret, and print it",
    .description =
        "For the time of --grace, standard and stripe endpoints get the signatures of the\n"
        "new secret and of those before it. github's and shopify's formats have room for\n"
        "one: there the new secret signs at once.",
    .options = rotate_options,
    .settings_bytes = sizeof(struct rotate_settings),
    .run = rotate_run,
};
