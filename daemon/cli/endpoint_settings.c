#include "outhook/cli/endpoint_settings.h"

#include "outhook/base/duration.h"
#include "outhook/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a setting is written on the command line. */
enum setting_kind { SETTING_TEXT, SETTING_DURATION, SETTING_WHOLE, SETTING_DECIMAL };

#define FIELD(name) offsetof(struct endpoint_options, name)

/* The settings that options give as text. `initial` is what the empty text stands for; NULL: the
 * configured default. */
static const struct setting {
    enum endpoint_setting setting;
    const char *option;
    enum setting_kind kind;
    size_t offset;
    const char *initial;
} settings_by_text[] = {
    {ENDPOINT_URL, "url", SETTING_TEXT, FIELD(url), ""},
    {ENDPOINT_DESCRIPTION, "description", SETTING_TEXT, FIELD(description), NULL},
    {ENDPOINT_SIGNING, "signing", SETTING_TEXT, FIELD(signing), "standard"},
    {ENDPOINT_TIMEOUT, "timeout", SETTING_DURATION, FIELD(timeout), NULL},
    {ENDPOINT_CONNECT_TIMEOUT, "connect-timeout", SETTING_DURATION, FIELD(connect_timeout), NULL},
    {ENDPOINT_MAX_ATTEMPTS, "max-attempts", SETTING_WHOLE, FIELD(max_attempts), NULL},
    {ENDPOINT_RETRY_SCHEDULE, "retry-schedule", SETTING_TEXT, FIELD(retry_schedule), NULL},
    {ENDPOINT_MAX_IN_FLIGHT, "max-in-flight", SETTING_WHOLE, FIELD(max_in_flight), NULL},
    {ENDPOINT_RATE_LIMIT, "rate-limit", SETTING_DECIMAL, FIELD(rate_limit), NULL},
    {ENDPOINT_RATE_BURST, "rate-burst", SETTING_WHOLE, FIELD(rate_burst), NULL},
    {ENDPOINT_TLS_CA_FILE, "tls-ca-file", SETTING_TEXT, FIELD(tls_ca_file), NULL},
    {ENDPOINT_TLS_CERT_FILE, "tls-cert-file", SETTING_TEXT, FIELD(tls_cert_file), NULL},
    {ENDPOINT_TLS_KEY_FILE, "tls-key-file", SETTING_TEXT, FIELD(tls_key_file), NULL},
    {ENDPOINT_HTTP_VERSION, "http-version", SETTING_TEXT, FIELD(http_version), "1.1"},
};

enum { SETTINGS_BY_TEXT = sizeof settings_by_text / sizeof *settings_by_text };
enum { SETTING_DIGITS_MAX = 15 };

/* ---- reading --------------------------------------------------------------------------------- */

static void settings_take(struct endpoint_settings *settings, int setting, const char *text) {
    settings->edit.settings[setting] = (struct endpoint_edit_value){true, text};
}

/* Keeps a text that was made here. */
static void settings_keep(struct endpoint_settings *settings, int setting, char *text) {
    free(settings->texts[setting]);
    settings->texts[setting] = text;
    settings_take(settings, setting, text);
}

static int setting_duration(struct endpoint_settings *settings, const struct setting *setting,
                            const char *text, struct error *error) {
    int64_t ms;
    if (!duration_parse(text, strlen(text), &ms))
        return error_set(error, ERROR_USAGE,
                         "--%s %.100s: it has to be a duration such as 250ms, 30s or 5m",
                         setting->option, text);
    char *column = memory_print("%" PRId64, ms);
    settings_keep(settings, (int)setting->setting, column);
    return 0;
}

static bool is_number(const char *text, bool decimal) {
    size_t digits = strspn(text, "0123456789"), length = digits;
    if (decimal && digits && text[digits] == '.') {
        size_t fraction = strspn(text + digits + 1, "0123456789");
        length = fraction ? digits + 1 + fraction : 0;
    }
    return digits && length <= SETTING_DIGITS_MAX && !text[length];
}

static int setting_read(struct endpoint_settings *settings, const struct setting *setting,
                        const char *text, struct error *error) {
    if (!*text) {
        settings_take(settings, (int)setting->setting, setting->initial);
        return 0;
    }
    if (setting->kind == SETTING_DURATION)
        return setting_duration(settings, setting, text, error);
    if (setting->kind == SETTING_WHOLE && !is_number(text, false))
        return error_set(error, ERROR_USAGE, "--%s %.100s: it has to be a whole number",
                         setting->option, text);
    if (setting->kind == SETTING_DECIMAL && !is_number(text, true))
        return error_set(error, ERROR_USAGE, "--%s %.100s: it has to be a number such as 10 or 0.5",
                         setting->option, text);
    settings_take(settings, (int)setting->setting, text);
    return 0;
}

static int settings_flag(struct endpoint_settings *settings, int setting, bool on, bool off,
                         const char *option, struct error *error) {
    if (on && off)
        return error_set(error, ERROR_USAGE, "--%s and --no-%s: give one", option, option);
    if (on || off)
        settings_take(settings, setting, on ? "1" : "0");
    return 0;
}

/* --header '' alone leaves none. */
static int settings_headers(struct database *database, const struct option_texts *texts,
                            struct endpoint_settings *settings, struct error *error) {
    if (!texts->count)
        return 0;
    struct header_list list = {0};
    char *json = NULL;
    int r = 0;
    if (texts->count > 1 || *texts->items[0])
        r = header_list_read(texts, &list, error);
    if (!r)
        r = producer_headers(database, list.items, list.count, &json, error);
    if (!r)
        settings_keep(settings, ENDPOINT_HEADERS, json);
    header_list_free(&list);
    return r;
}

static void patterns_add(const char ***patterns, size_t *count, const struct option_texts *texts) {
    if (!texts->count)
        return;
    *patterns = memory_resize(*patterns, *count + texts->count, sizeof **patterns);
    for (size_t i = 0; i < texts->count; i++)
        (*patterns)[(*count)++] = texts->items[i];
}

int endpoint_settings_read(struct database *database, const struct endpoint_options *options,
                           struct endpoint_settings *settings, struct error *error) {
    struct endpoint_edit *edit = &settings->edit;
    int r = 0;
    for (size_t i = 0; !r && i < SETTINGS_BY_TEXT; i++) {
        const char *const *text =
            (const void *)((const char *)options + settings_by_text[i].offset);
        if (*text)
            r = setting_read(settings, &settings_by_text[i], *text, error);
    }
    if (!r)
        r = settings_flag(settings, ENDPOINT_ORDERED, options->ordered, options->no_ordered,
                          "ordered", error);
    if (!r)
        r = settings_flag(settings, ENDPOINT_TLS_INSECURE, options->tls_insecure,
                          options->no_tls_insecure, "tls-insecure", error);
    if (!r)
        r = settings_flag(settings, ENDPOINT_ALLOW_PRIVATE, options->allow_private,
                          options->no_allow_private, "allow-private", error);
    if (!r)
        r = settings_headers(database, &options->headers, settings, error);
    patterns_add(&edit->subscribe, &edit->subscribe_count, &options->subscribe);
    patterns_add(&edit->unsubscribe, &edit->unsubscribe_count, &options->unsubscribe);
    return r;
}

void endpoint_settings_free(struct endpoint_settings *settings) {
    for (int i = 0; i < ENDPOINT_SETTING_COUNT; i++)
        free(settings->texts[i]);
    free(settings->edit.subscribe);
    free(settings->edit.unsubscribe);
    *settings = (struct endpoint_settings){0};
}

bool endpoint_setting_is_flag(int setting) {
    return setting == ENDPOINT_ORDERED || setting == ENDPOINT_TLS_INSECURE ||
           setting == ENDPOINT_ALLOW_PRIVATE;
}

/* ---- printing -------------------------------------------------------------------------------- */

void endpoint_settings_print(struct buffer *line, int setting, const char *text) {
    char duration[DURATION_TEXT_BYTES];
    if (setting == ENDPOINT_TIMEOUT || setting == ENDPOINT_CONNECT_TIMEOUT)
        buffer_print(line, "%s", duration_format(strtoll(text, NULL, 10), duration));
    else if (endpoint_setting_is_flag(setting))
        buffer_print(line, "%s", strcmp(text, "0") ? "yes" : "no");
    else
        buffer_print(line, "%s", text);
}
