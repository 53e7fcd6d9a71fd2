#include "outhook/base/clock.h"
#include "outhook/cli/endpoint.h"
#include "outhook/cli/endpoint_health.h"
#include "outhook/cli/endpoint_settings.h"
#include "outhook/cli/json.h"
#include "outhook/cli/pager.h"
#include "outhook/cli/paragraph.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"
#include "outhook/delivery/seal.h"
#include "outhook/runtime/config.h"
#include "outhook/store/endpoint_admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOW_LABEL_COLUMNS = 20 };

struct endpoint_show_settings {
    bool secret, json;
    const char *key_file;
};

#define FIELD(name) offsetof(struct endpoint_show_settings, name)

static const struct option_row show_options[] = {
    {"secret", NULL, OPTION_FLAG, FIELD(secret), 0, 0,
     "Show its secrets, too, and the values of headers that look like credentials."},
    {"key-file", "FILE", OPTION_TEXT, FIELD(key_file), 0, 0,
     "With --secret: the keys that open sealed secrets are in this file, and not in the one that "
     "the configuration's secret_key_file names."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object."},
    {0},
};

/* ---- as JSON --------------------------------------------------------------------------------- */

/* The columns that hold text; the others hold numbers. */
static bool show_is_text(int setting) {
    switch (setting) {
    case ENDPOINT_URL:
    case ENDPOINT_DESCRIPTION:
    case ENDPOINT_SIGNING:
    case ENDPOINT_RETRY_SCHEDULE:
    case ENDPOINT_TLS_CA_FILE:
    case ENDPOINT_TLS_CERT_FILE:
    case ENDPOINT_TLS_KEY_FILE:
    case ENDPOINT_HTTP_VERSION:
        return true;
    default:
        return false;
    }
}

static void show_setting_json(struct buffer *json, int setting, const char *text) {
    const char *column = endpoint_setting_column(setting);
    if (text && endpoint_setting_is_flag(setting))
        json_bool(json, column, strcmp(text, "0") != 0);
    else if (show_is_text(setting))
        json_text(json, column, text);
    else
        json_raw(json, column, text);
}

static void show_secrets_json(struct buffer *json, const struct endpoint_record *record) {
    json_open(json, "secrets", '[');
    for (size_t i = 0; i < record->secret_count; i++) {
        json_open(json, NULL, '{');
        if (record->secrets[i].secret)
            json_text(json, "secret", record->secrets[i].secret);
        json_bool(json, "sealed", record->secrets[i].sealed);
        json_integer(json, "created_at", record->secrets[i].created_at);
        json_integer_or_null(json, "expires_at", record->secrets[i].expires_at);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void show_json(const struct endpoint_record *record, const struct endpoint_health *health,
                      int64_t attempts_since) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_integer(&json, "id", record->id);
    json_text(&json, "name", record->name);
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        show_setting_json(&json, i, record->settings[i]);
    json_integer(&json, "created_at", record->created_at);
    endpoint_health_json(&json, health, attempts_since);
    json_open(&json, "subscriptions", '[');
    for (size_t i = 0; i < record->pattern_count; i++)
        json_text(&json, NULL, record->patterns[i]);
    json_close(&json, ']');
    show_secrets_json(&json, record);
    json_close(&json, '}');
    json_print(&json, false);
    explicit_bzero(json.data, json.capacity);
    buffer_free(&json);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void show_line(const char *label, struct buffer *line) {
    paragraph_print((struct paragraph){SHOW_LABEL_COLUMNS, STYLE_DIM, STYLE_PLAIN}, label, line);
}

/* ---- what the configuration says ------------------------------------------------------------- */

static void append_schedule(struct buffer *line, const struct durations *schedule) {
    char text[DURATION_TEXT_BYTES];
    for (int i = 0; i < schedule->count; i++)
        buffer_print(line, "%s%s", i ? " " : "", duration_format(schedule->ms[i], text));
}

static void append_configured(struct buffer *line, int setting, const struct config *config) {
    char text[DURATION_TEXT_BYTES];
    switch (setting) {
    case ENDPOINT_TIMEOUT:
        buffer_print(line, "%s", duration_format(config->timeout, text));
        break;
    case ENDPOINT_CONNECT_TIMEOUT:
        buffer_print(line, "%s", duration_format(config->connect_timeout, text));
        break;
    case ENDPOINT_MAX_ATTEMPTS:
        buffer_print(line, "%" PRId64, config->max_attempts);
        break;
    case ENDPOINT_RETRY_SCHEDULE:
        append_schedule(line, &config->retry_schedule);
        break;
    case ENDPOINT_MAX_IN_FLIGHT:
        buffer_print(line, "%" PRId64, config->endpoint_max_in_flight);
        break;
    case ENDPOINT_TLS_CA_FILE:
        buffer_print(line, "%s", config->ca_file);
        break;
    default:
        buffer_print(line, "none");
    }
}

static bool is_configured(int setting) {
    return setting == ENDPOINT_TIMEOUT || setting == ENDPOINT_CONNECT_TIMEOUT ||
           setting == ENDPOINT_MAX_ATTEMPTS || setting == ENDPOINT_RETRY_SCHEDULE ||
           setting == ENDPOINT_MAX_IN_FLIGHT || setting == ENDPOINT_TLS_CA_FILE;
}

static void show_default(struct buffer *line, int setting, const struct config *config) {
    if (!is_configured(setting)) {
        buffer_print(line, "none");
    } else if (config) {
        append_configured(line, setting, config);
        buffer_print(line, " (default)");
    } else {
        buffer_print(line, "the configured default");
    }
}

/* ---- for a person ---------------------------------------------------------------------------- */

static void show_settings(const struct endpoint_record *record, const struct config *config) {
    struct buffer line = {0};
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++) {
        char label[32];
        snprintf(label, sizeof label, "%s", endpoint_setting_column(i));
        if (strlen(label) > 3 && !strcmp(label + strlen(label) - 3, "_ms"))
            label[strlen(label) - 3] = '\0';
        if (record->settings[i])
            endpoint_settings_print(&line, i, record->settings[i]);
        else
            show_default(&line, i, config);
        show_line(label, &line);
    }
    buffer_free(&line);
}

static void show_state(const struct endpoint_record *record, const struct endpoint_health *health,
                       int64_t attempts_since, int64_t now) {
    struct buffer line = {0};
    buffer_print(&line, "%s", record->enabled ? "enabled" : "disabled");
    if (!record->enabled) {
        buffer_print(&line, " since ");
        text_append_when(&line, record->disabled_at, now);
        buffer_print(&line, ": %s", record->disabled_reason ? record->disabled_reason : "by hand");
    }
    if (record->enabled && health->failing_since) {
        buffer_print(&line, ", without a success since ");
        text_append_when(&line, health->failing_since, now);
    }
    show_line("state", &line);
    buffer_print(&line, "%" PRId64, health->pending);
    if (health->oldest_pending_at) {
        buffer_print(&line, ", the oldest for ");
        text_append_age(&line, now - health->oldest_pending_at);
    }
    show_line("pending", &line);
    endpoint_health_success(&line, health, attempts_since, now);
    buffer_print(&line, line.length ? " ago" : "none");
    show_line("last success", &line);
    if (health->failure_at) {
        text_append_age(&line, now - health->failure_at);
        buffer_print(&line, " ago: %s", health->failure ? health->failure : "no reason kept");
    } else {
        buffer_print(&line, "none");
    }
    show_line("last error", &line);
    buffer_free(&line);
}

static void show_subscriptions(const struct endpoint_record *record) {
    struct buffer line = {0};
    for (size_t i = 0; i < record->pattern_count; i++)
        buffer_print(&line, "%s%s", i ? ", " : "", record->patterns[i]);
    if (!record->pattern_count)
        buffer_print(&line, "none");
    show_line("subscriptions", &line);
    buffer_free(&line);
}

static void show_secrets(const struct endpoint_record *record, int64_t now) {
    struct buffer line = {0};
    buffer_print(&line, "%zu", record->secret_count);
    show_line("secrets", &line);
    for (size_t i = 0; i < record->secret_count; i++) {
        const struct secret_facts *secret = &record->secrets[i];
        buffer_print(&line, "%s%sof ", secret->secret ? secret->secret : "",
                     secret->secret ? ", " : "");
        text_append_time(&line, secret->created_at);
        buffer_print(&line, secret->sealed ? ", sealed" : ", in plain text");
        if (secret->expires_at) {
            buffer_print(&line, ", expires at ");
            text_append_when(&line, secret->expires_at, now);
        }
        show_line("", &line);
    }
    if (line.data)
        explicit_bzero(line.data, line.capacity);
    buffer_free(&line);
}

static void show_print(const struct command *command, const struct endpoint_record *record,
                       const struct endpoint_health *health, int64_t attempts_since) {
    struct config config;
    bool configured = config_load(&config, command->config, NULL, 0, NULL) == 0;
    int64_t now = clock_now().wall_ms;
    struct buffer line = {0};
    buffer_print(&line, "%s%sid %" PRId64 ", of ", record->name ? record->name : "",
                 record->name ? ", " : "", record->id);
    text_append_time(&line, record->created_at);
    show_line("endpoint", &line);
    buffer_free(&line);
    show_state(record, health, attempts_since, now);
    show_settings(record, configured ? &config : NULL);
    show_subscriptions(record);
    show_secrets(record, now);
    if (configured)
        config_free(&config);
}

/* ---- secrets --------------------------------------------------------------------------------- */

/* Puts what a stored secret holds in its place. */
static int show_open_secret(const struct endpoint_record *record, struct secret_facts *secret,
                            const struct seal_keys *keys, const struct error *why,
                            struct error *error) {
    struct error shut = {0};
    char *open = NULL;
    if (!secret->sealed)
        return 0;
    if (seal_open(keys, record->id, secret->secret, &open, &shut))
        return error_set(error, ERROR_FAILED, "can't show what is sealed: %.400s",
                         keys->count ? shut.text : why->text);
    endpoint_secret_free(secret->secret);
    secret->secret = open;
    return 0;
}

static int show_open_secrets(const struct command *command, const char *key_file,
                             struct endpoint_record *record, struct error *error) {
    struct seal_keys keys;
    struct error why = {0};
    int r = 0;
    command_keys(command, key_file, &keys, &why);
    for (size_t i = 0; !r && i < record->secret_count; i++)
        r = show_open_secret(record, &record->secrets[i], &keys, &why, error);
    seal_keys_wipe(&keys);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int show_read(const struct command *command, bool with_secrets,
                     struct endpoint_record *record, struct endpoint_health_list *list,
                     struct error *error) {
    struct database database;
    int r = endpoint_open(command, 1, DATABASE_READER, &database, record, error);
    if (r)
        return r;
    int64_t id = record->id;
    endpoint_record_free(record);
    r = endpoint_health_read(&database, id, true, list, error);
    if (!r) {
        r = endpoint_record_read(&database, command->argv[0], with_secrets, record, error);
        if (!r && !list->count)
            r = error_set(error, ERROR_FAILED, "the endpoint %.200s has just been removed",
                          command->argv[0]);
        if (r)
            endpoint_health_list_free(list);
    }
    database_close(&database);
    return r;
}

static int show_run(const struct command *command, const void *settings, struct error *error) {
    const struct endpoint_show_settings *show = settings;
    struct endpoint_record record = {0};
    struct endpoint_health_list list = {0};
    int r = show_read(command, show->secret, &record, &list, error);
    if (!r && show->secret)
        r = show_open_secrets(command, show->key_file, &record, error);
    if (!r)
        pager_start();
    if (!r && show->json)
        show_json(&record, &list.rows[0], list.attempts_since);
    else if (!r)
        show_print(command, &record, &list.rows[0], list.attempts_since);
    endpoint_record_free(&record);
    endpoint_health_list_free(&list);
    return r;
}

const struct verb verb_endpoint_show = {
    .within = "endpoint",
    .name = "show",
    .operands = "ENDPOINT",
    .summary = "show an endpoint's settings, subscriptions, and how it fares",
    .description = "What it doesn't set itself is shown as the configuration file has it.",
    .options = show_options,
    .settings_bytes = sizeof(struct endpoint_show_settings),
    .run = show_run,
};
