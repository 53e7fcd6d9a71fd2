#include "outhook/runtime/config.h"

#include "outhook/base/memory.h"
#include "outhook/base/name.h"

#include <ini.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum setting_type { DURATION, INTEGER, BYTES, TEXT, SCHEDULE, CHOICE };
enum setting_applies { AT_START, AT_RELOAD };

static const struct setting {
    const char *name;
    enum setting_type type;
    const char *initial;
    int64_t least, most;
    const char *words;
    enum setting_applies applies;
    const char *documentation;
    size_t offset, bytes;
} settings[] = {
#define SETTING_ROW(name, type, initial, least, most, words, applies, documentation)               \
    {#name,                                                                                        \
     type,                                                                                         \
     initial,                                                                                      \
     least,                                                                                        \
     most,                                                                                         \
     words,                                                                                        \
     applies,                                                                                      \
     documentation,                                                                                \
     offsetof(struct config, name),                                                                \
     sizeof(((struct config *)0)->name)},
    SETTINGS(SETTING_ROW)
#undef SETTING_ROW
};

enum { SETTINGS_COUNT = sizeof settings / sizeof *settings };

static void *setting_field(const struct setting *setting, const struct config *config) {
    return (char *)(uintptr_t)config + setting->offset;
}

static char **setting_text(const struct setting *setting, const struct config *config) {
    return setting_field(setting, config);
}

static int64_t *setting_number(const struct setting *setting, const struct config *config) {
    return setting_field(setting, config);
}

static bool setting_is_secret(const struct setting *setting) {
    return !strcmp(setting->name, "default_secret") || !strcmp(setting->name, "proxy");
}

/* ---- values ---------------------------------------------------------------------------------- */

static const struct byte_unit {
    char letter;
    int shift;
} byte_units[] = {{'G', 30}, {'M', 20}, {'K', 10}};

enum { BYTE_UNITS = sizeof byte_units / sizeof *byte_units };

static bool parse_integer(const char *text, int64_t *value) {
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    *value = strtoll(text, &end, 10);
    return !*end && !errno;
}

static bool parse_bytes(const char *text, int64_t *value) {
    char digits[32];
    size_t length = strlen(text);
    int shift = 0;
    if (!length || length >= sizeof digits)
        return false;
    memcpy(digits, text, length + 1);
    for (size_t i = 0; i < BYTE_UNITS; i++)
        if (digits[length - 1] == byte_units[i].letter) {
            shift = byte_units[i].shift;
            digits[length - 1] = '\0';
        }
    if (!parse_integer(digits, value) || *value > INT64_MAX >> shift)
        return false;
    *value <<= shift;
    return true;
}

static bool parse_choice(const char *text, const char *words, int64_t *value) {
    size_t length = strlen(text);
    *value = 0;
    for (const char *word = words; *word; *value += 1) {
        size_t word_length = strcspn(word, " ");
        if (length == word_length && !memcmp(text, word, length))
            return true;
        word += word_length;
        word += strspn(word, " ");
    }
    return false;
}

static void format_bytes(int64_t value, char *text, size_t size) {
    for (size_t i = 0; i < BYTE_UNITS; i++)
        if (value && value % ((int64_t)1 << byte_units[i].shift) == 0) {
            snprintf(text, size, "%" PRId64 "%c", value >> byte_units[i].shift,
                     byte_units[i].letter);
            return;
        }
    snprintf(text, size, "%" PRId64, value);
}

static void format_number(const struct setting *setting, int64_t value, char *text, size_t size) {
    char duration[DURATION_TEXT_BYTES];
    if (setting->type == DURATION)
        snprintf(text, size, "%s", duration_format(value, duration));
    else if (setting->type == BYTES)
        format_bytes(value, text, size);
    else
        snprintf(text, size, "%" PRId64, value);
}

static bool parse_number(const struct setting *setting, const char *text, int64_t *value) {
    switch (setting->type) {
    case DURATION:
        return duration_parse(text, strlen(text), value);
    case BYTES:
        return parse_bytes(text, value);
    case CHOICE:
        return parse_choice(text, setting->words, value);
    case INTEGER:
    case TEXT:
    case SCHEDULE:
        break;
    }
    return parse_integer(text, value);
}

static const char *const type_examples[] = {
    [DURATION] = "a duration such as 250ms, 30s, 5m or 12h",
    [INTEGER] = "a whole number",
    [BYTES] = "a number of bytes such as 4096, 64K or 16M",
    [CHOICE] = "one of",
};

static int set_number(const struct setting *setting, struct config *config, const char *text,
                      struct error *error) {
    int64_t value = 0;
    if (!parse_number(setting, text, &value))
        return error_set(error, ERROR_USAGE, "%s = %s: it has to be %s%s%s", setting->name, text,
                         type_examples[setting->type], setting->words ? " " : "",
                         setting->words ? setting->words : "");
    if (setting->type != CHOICE && (value < setting->least || value > setting->most)) {
        char least[32], most[32];
        format_number(setting, setting->least, least, sizeof least);
        format_number(setting, setting->most, most, sizeof most);
        return error_set(error, ERROR_USAGE, "%s = %s: it has to lie from %s to %s", setting->name,
                         text, least, most);
    }
    *setting_number(setting, config) = value;
    return 0;
}

#define BLANKS " \t\v\f\r" /* what inih takes for one: isspace(), within a line */

/* Where a line of the file would end in a comment. What a flag takes has to fit the file, too:
 * --print-config writes one. */
static bool text_has_comment(const char *text) {
    for (const char *c = strchr(text, ';'); c; c = strchr(c + 1, ';'))
        if (c == text || strchr(BLANKS, c[-1]))
            return true;
    return false;
}

static int set_text(const struct setting *setting, struct config *config, const char *text,
                    struct error *error) {
    int64_t length = (int64_t)strlen(text);
    if (text_has_comment(text))
        return error_set(error, ERROR_USAGE,
                         "%s: it can't have a ; at its start or after a blank, as a comment "
                         "begins so",
                         setting->name);
    if (length < setting->least || length > setting->most)
        return error_set(error, ERROR_USAGE,
                         "%s: it has to have %" PRId64 " to %" PRId64 " characters", setting->name,
                         setting->least, setting->most);
    char **field = setting_text(setting, config);
    free(*field);
    *field = memory_copy_string(text);
    return 0;
}

static int set_schedule(const struct setting *setting, struct config *config, const char *text,
                        struct error *error) {
    if (durations_parse(text, setting_field(setting, config)))
        return 0;
    return error_set(error, ERROR_USAGE,
                     "%s = %s: it has to be 1 to %d durations such as 5s 30s 2m 1h", setting->name,
                     text, DURATIONS_MAX);
}

static int setting_set(const struct setting *setting, struct config *config, const char *text,
                       struct error *error) {
    switch (setting->type) {
    case TEXT:
        return set_text(setting, config, text, error);
    case SCHEDULE:
        return set_schedule(setting, config, text, error);
    case DURATION:
    case INTEGER:
    case BYTES:
    case CHOICE:
        break;
    }
    return set_number(setting, config, text, error);
}

static void setting_format(const struct setting *setting, const struct config *config, char *text,
                           size_t size) {
    const struct durations *schedule = setting_field(setting, config);
    size_t used = 0;
    switch (setting->type) {
    case TEXT:
        snprintf(text, size, "%s", *setting_text(setting, config));
        return;
    case SCHEDULE:
        text[0] = '\0';
        for (int i = 0; i < schedule->count && used < size; i++) {
            char one[DURATION_TEXT_BYTES];
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "",
                                     duration_format(schedule->ms[i], one));
        }
        return;
    case CHOICE: {
        const char *word = setting->words;
        for (int64_t i = *setting_number(setting, config); i > 0; i--)
            word += strcspn(word, " ") + 1;
        snprintf(text, size, "%.*s", (int)strcspn(word, " "), word);
        return;
    }
    case DURATION:
    case INTEGER:
    case BYTES:
        break;
    }
    format_number(setting, *setting_number(setting, config), text, size);
}

/* ---- names ----------------------------------------------------------------------------------- */

static const struct setting *setting_find(const char *name, struct error *error) {
    const struct setting *nearest = NULL;
    size_t least = NAME_DISTANCE_NEAR + 1;
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        size_t distance = name_distance(name, settings[i].name);
        if (!distance)
            return &settings[i];
        if (distance < least) {
            least = distance;
            nearest = &settings[i];
        }
    }
    if (nearest)
        error_set(error, ERROR_USAGE, "there is no setting %s; did you mean %s?", name,
                  nearest->name);
    else
        error_set(error, ERROR_USAGE,
                  "there is no setting %s: outhookd --help-settings lists them all", name);
    return NULL;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* A file that is being read. inih does the parsing; its lines are fed to it here, because it
 * silently cuts those that are too long for it and joins those that begin with a blank. */
struct config_reading {
    struct config *config;
    FILE *file;
    char *line;
    size_t capacity;
    int number;         /* of the line */
    struct error first; /* the first thing that was wrong */
};

/* What inih would not take as it is meant, or would go on after. */
static int config_judge_line(const char *line, size_t length, size_t most, struct error *error) {
    const char *text = line + strspn(line, BLANKS);
    if (length > most)
        return error_set(error, ERROR_USAGE, "a line has at most %zu characters", most);
    if (!*text || strchr(";#\r\n", *text))
        return 0;
    if (text > line)
        return error_set(error, ERROR_USAGE, "a setting stands at the start of its line");
    if (!strpbrk(line, *line == '[' ? "]" : "=:"))
        return error_set(
            error, ERROR_USAGE,
            "a line is name = value, [outhookd], or a comment that starts with ; or #");
    return 0;
}

/* Gives inih its next line, or the end at the first thing that is wrong. As fgets(). */
static char *config_next_line(char *text, int size, void *stream) {
    struct config_reading *reading = stream;
    ssize_t length;
    if (reading->first.kind ||
        (length = getline(&reading->line, &reading->capacity, reading->file)) < 0)
        return NULL;
    reading->number++;
    if (config_judge_line(reading->line, (size_t)length, (size_t)size - 1, &reading->first))
        return NULL;
    memcpy(text, reading->line, (size_t)length + 1);
    return text;
}

static int config_take_setting(void *context, const char *section, const char *name,
                               const char *value) {
    struct config_reading *reading = context;
    if (*section && strcmp(section, "outhookd")) {
        error_set(&reading->first, ERROR_USAGE,
                  "there is no section [%s]; the only one is [outhookd]", section);
        return 0;
    }
    const struct setting *setting = setting_find(name, &reading->first);
    return setting && !setting_set(setting, reading->config, value ? value : "", &reading->first);
}

static int config_read_stream(struct config *config, FILE *file, const char *path,
                              struct error *error) {
    struct config_reading reading = {.config = config, .file = file};
    int wrong_line = ini_parse_stream(config_next_line, &reading, config_take_setting, &reading);
    free(reading.line);
    if (ferror(file)) /* such as a directory */
        return error_set(error, ERROR_USAGE, "can't read the configuration %s: %s", path,
                         strerror(errno));
    if (wrong_line && !reading.first.kind) /* nothing known of; but never silence */
        error_set(&reading.first, ERROR_USAGE, "this line can't be read");
    if (!reading.first.kind)
        return 0;
    return error_set(error, ERROR_USAGE, "%s, line %d: %s", path,
                     wrong_line ? wrong_line : reading.number, reading.first.text);
}

static int config_read_file(struct config *config, const char *path, struct error *error) {
    FILE *file = fopen(path ? path : CONFIG_DEFAULT_FILE, "re");
    if (!file && !path && errno == ENOENT)
        return 0;
    if (!path)
        path = CONFIG_DEFAULT_FILE;
    if (!file)
        return error_set(error, ERROR_USAGE, "can't read the configuration %s: %s", path,
                         strerror(errno));
    int r = config_read_stream(config, file, path, error);
    fclose(file);
    return r;
}

/* A secret may come from the service manager, where only root can read what it comes from
 * (systemd.exec(5), LoadCredential=). */
static int config_read_credential(struct config *config, const struct setting *setting,
                                  const char *directory, struct error *error) {
    char *path, *line = NULL;
    size_t capacity = 0;
    struct error why = {0};
    if (asprintf(&path, "%s/%s", directory, setting->name) < 0)
        abort();
    FILE *file = fopen(path, "re");
    ssize_t length = file ? getline(&line, &capacity, file) : -1;
    int r = 0;
    if (file ? ferror(file) : errno != ENOENT)
        r = error_set(error, ERROR_USAGE, "can't read the credential %s: %s", path,
                      strerror(errno));
    if (length > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (setting_set(setting, config, line, &why))
            r = error_set(error, ERROR_USAGE, "the credential %.300s: %.500s", path, why.text);
        explicit_bzero(line, (size_t)length);
    }
    if (file)
        fclose(file);
    free(line);
    free(path);
    return r;
}

/* For those that the file leaves empty. */
static int config_read_credentials(struct config *config, struct error *error) {
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    int r = 0;
    for (size_t i = 0; directory && !r && i < SETTINGS_COUNT; i++)
        if (setting_is_secret(&settings[i]) && !**setting_text(&settings[i], config))
            r = config_read_credential(config, &settings[i], directory, error);
    return r;
}

static int config_override(struct config *config, const char *text, struct error *error) {
    const char *equals = strchr(text, '=');
    if (!equals)
        return error_set(error, ERROR_USAGE, "write --set name=value");

    char *name = memory_print("%.*s", (int)(equals - text), text);
    const struct setting *setting = setting_find(name, error);
    free(name);
    return setting ? setting_set(setting, config, equals + 1, error) : ERROR_USAGE;
}

/* What no single setting can know about itself. */
static int config_judge(const struct config *config, struct error *error) {
    if (config->max_payload_bytes > config->max_loaded_bytes)
        return error_set(error, ERROR_USAGE,
                         "max_payload_bytes is larger than max_loaded_bytes: such a payload could "
                         "never be sent; raise max_loaded_bytes");
    if (config->workers > config->max_in_flight)
        return error_set(error, ERROR_USAGE,
                         "there are more workers than max_in_flight: lower workers");
    return 0;
}

int config_load(struct config *config, const char *path, const struct config_override *overrides,
                int override_count, struct error *error) {
    *config = (struct config){0};
    int r = 0;
    for (size_t i = 0; !r && i < SETTINGS_COUNT; i++)
        r = setting_set(&settings[i], config, settings[i].initial, error);
    if (!r)
        r = config_read_file(config, path, error);
    if (!r)
        r = config_read_credentials(config, error);
    for (int i = 0; !r && i < override_count; i++)
        r = config_override(config, overrides[i].text, error);
    if (!r)
        r = config_judge(config, error);
    if (r)
        config_free(config);
    return r;
}

void config_free(struct config *config) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (settings[i].type == TEXT)
            free(*setting_text(&settings[i], config));
    *config = (struct config){0};
}

static bool setting_equal(const struct setting *setting, const struct config *a,
                          const struct config *b) {
    if (setting->type == TEXT)
        return !strcmp(*setting_text(setting, a), *setting_text(setting, b));
    if (setting->type == SCHEDULE) {
        const struct durations *x = setting_field(setting, a), *y = setting_field(setting, b);
        return x->count == y->count && !memcmp(x->ms, y->ms, sizeof *x->ms * (size_t)x->count);
    }
    return *setting_number(setting, a) == *setting_number(setting, b);
}

void config_reload(struct config *config, struct config *fresh,
                   void (*kept)(const char *name, void *context), void *context) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *setting = &settings[i];
        if (setting_equal(setting, config, fresh))
            continue;
        if (setting->applies == AT_START) {
            if (kept)
                kept(setting->name, context);
            continue;
        }
        /* Swapped, not copied, so that freeing `fresh` frees the old text. */
        char old[sizeof(struct durations)];
        memcpy(old, setting_field(setting, config), setting->bytes);
        memcpy(setting_field(setting, config), setting_field(setting, fresh), setting->bytes);
        memcpy(setting_field(setting, fresh), old, setting->bytes);
    }
    config_free(fresh);
}

/* ---- printing -------------------------------------------------------------------------------- */

void config_print_help(FILE *file) {
    fprintf(file, "[outhookd]\n");
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting *setting = &settings[i];
        char least[32], most[32];
        format_number(setting, setting->least, least, sizeof least);
        format_number(setting, setting->most, most, sizeof most);
        fprintf(file, "\n# %s\n", setting->documentation);
        if (setting->type == DURATION || setting->type == INTEGER || setting->type == BYTES)
            fprintf(file, "# From %s to %s. ", least, most);
        else
            fprintf(file, "# ");
        fprintf(file, "%s\n;%s = %s\n",
                setting->applies == AT_RELOAD ? "A reload applies it." : "Needs a restart.",
                setting->name, setting->initial);
    }
}

void config_print(const struct config *config, FILE *file) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        char text[4096];
        setting_format(&settings[i], config, text, sizeof text);
        bool hidden = setting_is_secret(&settings[i]) && *text;
        fprintf(file, "%s = %s\n", settings[i].name, hidden ? "(hidden)" : text);
    }
}
