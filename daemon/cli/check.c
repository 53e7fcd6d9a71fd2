#include "outhook/base/clock.h"
#include "outhook/cli/glance_text.h"
#include "outhook/cli/json.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/delivery/seal.h"
#include "outhook/runtime/config.h"
#include "outhook/store/checkup.h"
#include "outhook/store/keyring.h"
#include "outhook/store/overview.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHECK_SUBJECT_COLUMNS = 14, CHECK_LEVEL_COLUMNS = 9 };

struct check_settings {
    bool full, json;
};

#define FIELD(name) offsetof(struct check_settings, name)

static const struct option_row check_options[] = {
    {"full", NULL, OPTION_FLAG, FIELD(full), 0, 0,
     "Also compare each index with its table, which takes several times as long."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print a JSON object a line."},
    {0},
};

struct check {
    bool as_json;
    int warnings, bad;
};

/* ---- findings -------------------------------------------------------------------------------- */

static enum terminal_style check_style(enum checkup_level level) {
    static const enum terminal_style styles[] = {
        [CHECKUP_GOOD] = STYLE_GOOD,
        [CHECKUP_NOTE] = STYLE_DIM,
        [CHECKUP_WARNING] = STYLE_WARN,
        [CHECKUP_BAD] = STYLE_BAD,
    };
    return styles[level];
}

static void check_print_json(const char *level, const char *subject, const char *text) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "level", level);
    json_text(&json, "subject", subject);
    json_text(&json, "text", text);
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

/* How much of the text goes into a line: as many words as fit, and at least one, which is never
 * cut, for it may be a path or a command to be copied. */
static size_t check_line_length(const char *text, int room) {
    size_t taken = strcspn(text, " "), next = taken;
    while (text[next]) {
        next += 1 + strcspn(text + next + 1, " ");
        if (text_columns(text, next) > room)
            break;
        taken = next;
    }
    return taken;
}

/* What is to be done has to be read whole, so a long sentence goes on in the next line. */
static void check_print_text(const char *text, int columns) {
    const int margin = CHECK_LEVEL_COLUMNS + CHECK_SUBJECT_COLUMNS;
    for (const char *rest = text; *rest;) {
        struct buffer line = {0};
        size_t length = check_line_length(rest, columns - margin);
        text_append(&line, rest, length, TEXT_UNBOUNDED);
        printf("%*s%s\n", rest == text ? 0 : margin, "", buffer_text(&line));
        buffer_free(&line);
        rest += length + (rest[length] == ' ');
    }
}

static void check_find(void *context, enum checkup_level level, const char *subject,
                       const char *text) {
    struct check *check = context;
    check->warnings += level == CHECKUP_WARNING;
    check->bad += level == CHECKUP_BAD;
    if (check->as_json) {
        check_print_json(checkup_level_word(level), subject, text);
        return;
    }
    printf("%s%-*s%s%-*s", terminal_style(check_style(level)), CHECK_LEVEL_COLUMNS,
           checkup_level_word(level), terminal_style(STYLE_PLAIN), CHECK_SUBJECT_COLUMNS, subject);
    check_print_text(text, terminal_columns());
}

/* ---- around the database --------------------------------------------------------------------- */

static void check_configuration(const struct command *command, const struct checkup *checkup) {
    struct config config;
    struct error error = {0};
    struct seal_keys keys = {0};
    if (config_load(&config, command->config, NULL, 0, &error)) {
        checkup_find(checkup, CHECKUP_BAD, "configuration", "%s", error.text);
        return;
    }
    const char *path = command->config ? command->config : CONFIG_DEFAULT_FILE;
    if (access(path, F_OK) < 0)
        checkup_find(checkup, CHECKUP_NOTE, "configuration",
                     "there is no %s, so that all settings are the defaults", path);
    else if (keyring_load(config.secret_key_file, &keys, &error))
        checkup_find(checkup, CHECKUP_WARNING, "configuration", "%s", error.text);
    else
        checkup_find(checkup, CHECKUP_GOOD, "configuration", "%s", path);
    seal_keys_wipe(&keys);
    config_free(&config);
}

/* One that has failed and runs again may do so because all is well now. */
static void check_failures(const struct checkup *checkup, const struct glance *glance) {
    struct buffer text = {0};
    int64_t now_ms = clock_now().wall_ms;
    bool works = glance->daemon_runs && !setback_wait_ms(&glance->setback, now_ms);
    glance_append_daemon(&text, glance, now_ms);
    checkup_find(checkup, works ? CHECKUP_WARNING : CHECKUP_BAD, "outhookd", "%s",
                 buffer_text(&text));
    buffer_free(&text);
}

static int check_daemon(struct database *database, const struct checkup *checkup,
                        struct error *error) {
    struct glance glance = {0};
    int r = database_integer(database, "SELECT pending FROM queue_depth", &glance.pending, error);
    if (r)
        return r;
    glance_read_daemon(database, &glance);
    if (glance.setback.failures)
        check_failures(checkup, &glance);
    else if (glance.daemon_runs)
        checkup_find(checkup, CHECKUP_GOOD, "outhookd", "runs, process %" PRId64,
                     glance.daemon_pid);
    else
        checkup_find(checkup, glance.pending ? CHECKUP_BAD : CHECKUP_NOTE, "outhookd",
                     "does not run, and %" PRId64 " %s: start it, for example with systemctl "
                     "start outhookd",
                     glance.pending, glance.pending == 1 ? "delivery waits" : "deliveries wait");
    return 0;
}

static bool systemctl_says(const char *question) {
    char line[80];
    snprintf(line, sizeof line, "systemctl -q %s outhookd >/dev/null 2>&1", question);
    FILE *pipe = popen(line, "re");
    int status = pipe ? pclose(pipe) : -1;
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Of a machine that systemd runs, and where the unit is installed. */
static void check_unit(const struct checkup *checkup) {
    if (access("/run/systemd/system", F_OK) < 0 || !systemctl_says("cat"))
        return;
    if (systemctl_says("is-failed"))
        checkup_find(checkup, CHECKUP_BAD, "unit",
                     "outhookd has failed: journalctl -u outhookd -n 20 says why");
    else if (!systemctl_says("is-enabled"))
        checkup_find(checkup, CHECKUP_WARNING, "unit",
                     "outhookd does not start by itself with the machine: systemctl enable "
                     "outhookd");
    else
        checkup_find(checkup, CHECKUP_GOOD, "unit", "outhookd is enabled");
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int check_database(const struct command *command, bool full, const struct checkup *checkup,
                          struct error *error) {
    struct database database;
    struct error why = {0};
    int r = command_open(command, &database, DATABASE_READER, &why);
    if (r) {
        checkup_find(checkup, CHECKUP_BAD, "database", "%s", why.text);
        return 0;
    }
    int64_t version = 0;
    r = database_integer(&database, "PRAGMA user_version", &version, error);
    checkup_find(checkup, CHECKUP_GOOD, "database", "%s, schema version %" PRId64, database.path,
                 version);
    checkup_files(&database, checkup);
    if (!r)
        r = check_daemon(&database, checkup, error);
    if (!r)
        r = checkup_contents(&database, full, checkup, error);
    if (r == ERROR_DAMAGED) {
        checkup_find(checkup, CHECKUP_BAD, "integrity", "%s", error->text);
        r = 0;
    }
    database_close(&database);
    return r;
}

static int check_run(const struct command *command, const void *settings, struct error *error) {
    const struct check_settings *wanted = settings;
    struct check check = {.as_json = wanted->json};
    const struct checkup checkup = {.find = check_find, .context = &check};
    int r = command_operands(command, 0, error);
    if (r)
        return r;
    check_configuration(command, &checkup);
    check_unit(&checkup);
    r = check_database(command, wanted->full, &checkup, error);
    if (!r && (check.bad || check.warnings))
        r = error_set(error, ERROR_FAILED, "found what is not well: %d bad, %d warning%s",
                      check.bad, check.warnings, check.warnings == 1 ? "" : "s");
    return r;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "look whether all is well: database, files, space, configuration, service",
    .description =
        "Each finding is good, a note, a warning or bad, and says what to do. Ends with 1 when "
        "one\n"
        "is a warning or bad. Every page of the database is read, which takes a while when it is\n"
        "large; nothing is written.",
    .options = check_options,
    .settings_bytes = sizeof(struct check_settings),
    .run = check_run,
};
