#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/cli/endpoint.h"
#include "outhook/cli/header_list.h"
#include "outhook/cli/json.h"
#include "outhook/cli/text.h"
#include "outhook/delivery/seal.h"
#include "outhook/delivery/verification.h"
#include "outhook/store/endpoint_admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verify_settings {
    const char *secret, *endpoint, *key_file, *format;
    struct option_texts headers;
    bool json;
};

#define FIELD(name) offsetof(struct verify_settings, name)

static const struct option_row verify_options[] = {
    {"secret", "SECRET", OPTION_TEXT, FIELD(secret), 0, 0,
     "The secret; - reads it from the standard input, where no other user sees it."},
    {"endpoint", "NAME", OPTION_TEXT, FIELD(endpoint), 0, 0,
     "Take the secrets and the format of this endpoint."},
    {"key-file", "FILE", OPTION_TEXT, FIELD(key_file), 0, 0,
     "The keys that open its secrets, if they are not where the configuration says."},
    {"format", "FORMAT", OPTION_TEXT, FIELD(format), 0, 0,
     "standard (unless given), github, stripe or shopify."},
    {"header", "'NAME: VALUE'", OPTION_TEXTS, FIELD(headers), 0, 0,
     "A header of the call, as it came; may be given several times."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object."},
    {0},
};

/* ---- what it is given ------------------------------------------------------------------------ */

/* The value of a header among "Name: value" texts, or NULL. */
static const char *verify_header(const struct option_texts *headers, const char *name) {
    size_t length = name ? strlen(name) : 0;
    for (size_t i = 0; name && i < headers->count; i++) {
        const char *text = headers->items[i];
        if (strncasecmp(text, name, length) || text[length] != ':')
            continue;
        return text + length + 1 + strspn(text + length + 1, " \t");
    }
    return NULL;
}

static int verify_body(const char *path, struct buffer *body, struct error *error) {
    bool standard_input = !strcmp(path, "-");
    FILE *file = standard_input ? stdin : fopen(path, "re");
    char piece[65536];
    size_t length;
    if (!file)
        return error_set(error, ERROR_FAILED, "can't open %.400s: %s", path, strerror(errno));
    while ((length = fread(piece, 1, sizeof piece, file)))
        buffer_append(body, piece, length);
    int r = ferror(file)
                ? error_set(error, ERROR_FAILED, "can't read %.400s: %s", path, strerror(errno))
                : 0;
    if (!standard_input)
        fclose(file);
    return r;
}

static int verify_format(const char *word, enum signing *signing, struct error *error) {
    *signing = SIGNING_STANDARD;
    if (!word || (signing_parse(word, signing) && *signing != SIGNING_NONE))
        return 0;
    return error_set(error, ERROR_USAGE,
                     "--format %.100s: it has to be standard, github, stripe or shopify", word);
}

/* ---- judging --------------------------------------------------------------------------------- */

static int verify_by_endpoint(const struct command *command, const struct verify_settings *verify,
                              const struct endpoint_record *record, const struct received *received,
                              struct verification *verification, struct error *error) {
    struct seal_keys keys;
    enum signing signing = SIGNING_NONE;
    int r = error_set(error, ERROR_FAILED, "the endpoint has no secret that is valid now");
    signing_parse(record->settings[ENDPOINT_SIGNING], &signing);
    command_keys(command, verify->key_file, &keys, NULL);
    for (size_t i = 0; r && i < record->secret_count; i++) {
        char *secret = NULL;
        r = seal_open(&keys, record->id, record->secrets[i].secret, &secret, error);
        if (!r)
            r = verification_judge(signing, secret, received, verification, error);
        endpoint_secret_free(secret);
    }
    seal_keys_wipe(&keys);
    return r;
}

static int verify_judge(const struct command *command, const struct verify_settings *verify,
                        struct received *received, struct verification *verification,
                        struct error *error) {
    enum signing signing;
    char *secret = NULL;
    int r = verify_format(verify->format, &signing, error);
    if (!r && verify->endpoint) {
        struct database database;
        struct endpoint_record record;
        r = command_open(command, &database, DATABASE_READER, error);
        if (r)
            return r;
        r = endpoint_record_read(&database, verify->endpoint, true, &record, error);
        if (!r) {
            signing_parse(record.settings[ENDPOINT_SIGNING], &signing);
            received->signature = verify_header(&verify->headers, verification_header(signing));
            r = verify_by_endpoint(command, verify, &record, received, verification, error);
            endpoint_record_free(&record);
        }
        database_close(&database);
        return r;
    }
    if (!r)
        r = endpoint_secret_option(verify->secret, &secret, error);
    if (!r) {
        received->signature = verify_header(&verify->headers, verification_header(signing));
        r = verification_judge(signing, secret, received, verification, error);
    }
    endpoint_secret_free(secret);
    return r;
}

/* A right signature that is too old is refused by receivers all the same. */
static int verify_age(const struct verification *verification, struct error *error) {
    int64_t age_s = clock_now().wall_ms / 1000 - verification->timestamp_s;
    struct buffer age = {0};
    if (!verification->has_timestamp ||
        (age_s <= VERIFICATION_TOLERANCE_S && age_s >= -VERIFICATION_TOLERANCE_S))
        return 0;
    text_append_age(&age, (age_s < 0 ? -age_s : age_s) * 1000);
    int r = error_set(error, ERROR_FAILED,
                      "the signature is right, but its time is %s %s: receivers allow five minutes",
                      buffer_text(&age), age_s < 0 ? "ahead" : "ago");
    buffer_free(&age);
    return r;
}

static void verify_print(const struct verify_settings *verify, int r, int stale,
                         const struct error *error) {
    struct buffer json = {0};
    if (!verify->json) {
        if (!r && !stale)
            printf("the signature is right\n");
        return;
    }
    json_open(&json, NULL, '{');
    json_bool(&json, "valid", !r);
    json_bool(&json, "fresh", !r && !stale);
    json_text(&json, "reason", r || stale ? error->text : NULL);
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

static int verify_run(const struct command *command, const void *settings, struct error *error) {
    const struct verify_settings *verify = settings;
    struct verification verification = {0};
    struct buffer body = {0};
    if (!command->argc || !verify->secret == !verify->endpoint)
        return error_set(error, ERROR_USAGE,
                         "it takes the body's FILE (or -), and --secret or --endpoint");
    int r = command_operands(command, 1, error);
    if (!r)
        r = verify_body(command->argv[0], &body, error);
    if (r) {
        buffer_free(&body);
        return r;
    }
    struct received received = {
        .id = verify_header(&verify->headers, "webhook-id"),
        .timestamp = verify_header(&verify->headers, "webhook-timestamp"),
        .body = body.data,
        .body_bytes = body.length,
    };
    r = verify_judge(command, verify, &received, &verification, error);
    int stale = r ? 0 : verify_age(&verification, error);
    if (r != ERROR_USAGE)
        verify_print(verify, r, stale, error);
    buffer_free(&body);
    return r ? r : stale;
}

const struct verb verb_verify = {
    .name = "verify",
    .operands = "FILE",
    .summary = "see whether a call is signed rightly, for this body and secret",
    .description =
        "FILE holds the body as it came, to the byte; - is the standard input. Ends with 0 when "
        "the\n"
        "signature is right and not too old, and with 1 otherwise, and says why.\n"
        "\n"
        "  outhook verify body.json --endpoint billing --header 'webhook-id: msg_1' \\\n"
        "      --header 'webhook-timestamp: 1764273600' --header 'webhook-signature: v1,…'",
    .options = verify_options,
    .settings_bytes = sizeof(struct verify_settings),
    .run = verify_run,
};
