/*
 * The settings: every one of the table at both ends of its range and over a reload, what a file may
 * say, and what it is told when it says something else.
 */

#include "outhook/runtime/config.h"

#include "outhook/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file that sets nothing, in place of the default one, which this machine may have. */
#define NOTHING "/dev/null"

enum type { DURATION, INTEGER, BYTES, TEXT, SCHEDULE, CHOICE };
enum applies { AT_START, AT_RELOAD };

static const struct row {
    const char *name;
    enum type type;
    const char *initial;
    int64_t least, most;
    const char *words;
    enum applies applies;
    size_t offset;
} rows[] = {
#define ROW(name, type, initial, least, most, words, applies, documentation)                       \
    {#name, type, initial, least, most, words, applies, offsetof(struct config, name)},
    SETTINGS(ROW)
#undef ROW
};

enum { ROWS = sizeof rows / sizeof *rows };

/* Makes room at the other end of the rules that tie two settings together. */
static const char *const room[] = {"workers=1", "max_in_flight=10000", "max_payload_bytes=1",
                                   "max_loaded_bytes=4294967296"};

enum { ROOM = sizeof room / sizeof *room };

static const void *field(const struct config *config, const struct row *row) {
    return (const char *)config + row->offset;
}

static int64_t number(const struct config *config, const struct row *row) {
    int64_t value;
    memcpy(&value, field(config, row), sizeof value);
    return value;
}

static const char *text(const struct config *config, const struct row *row) {
    const char *value;
    memcpy(&value, field(config, row), sizeof value);
    return value;
}

static bool is_number(const struct row *row) {
    return row->type == DURATION || row->type == INTEGER || row->type == BYTES;
}

/* Loads the defaults, `room` if wanted, and one override. */
static int load_override(struct config *config, bool with_room, const char *override,
                         struct error *error) {
    struct config_override overrides[ROOM + 1];
    int count = 0;
    for (int i = 0; with_room && i < ROOM; i++)
        overrides[count++].text = room[i];
    overrides[count++].text = override;
    *error = (struct error){0};
    return config_load(config, NOTHING, overrides, count, error);
}

static void write_file(char path[64], const char *content) {
    snprintf(path, 64, "%s", "/tmp/outhook-test-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

/* Loads a file of this content. Messages name it by the path that `path` receives. */
static int load_file(struct config *config, const char *content, char path[64],
                     struct error *error) {
    write_file(path, content);
    *error = (struct error){0};
    int r = config_load(config, path, NULL, 0, error);
    unlink(path);
    return r;
}

static char *printed(const struct config *config) {
    char *output = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&output, &bytes);
    assert_non_null(file);
    if (config)
        config_print(config, file);
    else
        config_print_help(file);
    fclose(file);
    return output;
}

/* ---- every setting --------------------------------------------------------------------------- */

static void defaults_lie_in_their_ranges(void **state) {
    (void)state;
    struct config config;
    struct error error = {0};
    assert_int_equal(config_load(&config, NOTHING, NULL, 0, &error), 0);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (is_number(row))
            assert_true(number(&config, row) >= row->least && number(&config, row) <= row->most);
        if (row->type == TEXT)
            assert_string_equal(text(&config, row), row->initial);
    }
    assert_int_equal(config.timeout, 15000);
    assert_int_equal(config.max_loaded_bytes, 32 << 20);
    assert_int_equal(config.retry_schedule.count, 10);
    assert_int_equal(config.retry_schedule.ms[9], 86400000);
    assert_int_equal(config.log_level, 2);
    config_free(&config);
    config_free(&config);
    assert_null(config.database);
}

static void assert_number(const struct row *row, int64_t value, bool valid) {
    struct config config;
    struct error error;
    char override[100];
    bool in_seconds = row->type == DURATION && value > 999999999; /* the longest number */
    snprintf(override, sizeof override, "%s=%lld%s", row->name,
             (long long)(in_seconds ? (value + 999) / 1000 : value),
             row->type != DURATION ? ""
             : in_seconds          ? "s"
                                   : "ms");
    int r = load_override(&config, true, override, &error);
    if (r != (valid ? 0 : ERROR_USAGE))
        fail_msg("%s: %d, %s", override, r, error.text);
    if (valid) {
        assert_true(number(&config, row) == value);
        config_free(&config);
    } else if (value >= 0 && !strstr(error.text, "it has to lie from "))
        fail_msg("%s: %s", override, error.text);
}

static void assert_text(const struct row *row, int64_t length, bool valid) {
    struct config config;
    struct error error;
    struct buffer override = {0};
    buffer_print(&override, "%s=", row->name);
    for (int64_t i = 0; i < length; i++)
        buffer_append(&override, "x", 1);
    int r = load_override(&config, true, buffer_text(&override), &error);
    if (r != (valid ? 0 : ERROR_USAGE))
        fail_msg("%s of %lld: %d, %s", row->name, (long long)length, r, error.text);
    if (valid) {
        assert_int_equal(strlen(text(&config, row)), length);
        config_free(&config);
    } else
        assert_non_null(strstr(error.text, "characters"));
    buffer_free(&override);
}

static void both_ends_of_every_range(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        void (*check)(const struct row *, int64_t, bool) = is_number(&rows[i])    ? assert_number
                                                           : rows[i].type == TEXT ? assert_text
                                                                                  : NULL;
        if (!check)
            continue;
        check(&rows[i], rows[i].least, true);
        check(&rows[i], rows[i].most, true);
        check(&rows[i], rows[i].most + 1, false);
        if (is_number(&rows[i]) || rows[i].least > 0)
            check(&rows[i], rows[i].least - 1, false);
    }
}

static void every_choice_has_its_words(void **state) {
    (void)state;
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    struct config config;
    struct error error;
    char override[64];
    for (int64_t i = 0; i < 4; i++) {
        snprintf(override, sizeof override, "log_level=%s", levels[i]);
        assert_int_equal(load_override(&config, false, override, &error), 0);
        assert_int_equal(config.log_level, i);
        config_free(&config);
    }
    static const char *const others[] = {"", "inf", "infos", "INFO", "error warning", "2", " info"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(override, sizeof override, "log_level=%s", others[i]);
        assert_int_equal(load_override(&config, false, override, &error), ERROR_USAGE);
        assert_non_null(strstr(error.text, "one of error warning info debug"));
    }
}

/* A value that is neither the default nor out of range. */
static void other_value(const struct row *row, char *override, size_t size) {
    static const char *const values[] = {[TEXT] = "other", [SCHEDULE] = "1s 2s"};
    if (row->type == CHOICE) /* the last one */
        snprintf(override, size, "%s=%s", row->name, strrchr(row->words, ' ') + 1);
    else if (is_number(row))
        snprintf(override, size, "%s=%lld%s", row->name, (long long)(row->least + 1),
                 row->type == DURATION ? "ms" : "");
    else
        snprintf(override, size, "%s=%s", row->name, values[row->type]);
}

struct kept {
    int count;
    const char *name;
};

static void note_kept(const char *name, void *context) {
    struct kept *kept = context;
    kept->count++;
    kept->name = name;
}

static void a_reload_changes_what_it_may(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct config config, fresh;
        struct error error;
        struct kept kept = {0};
        char override[100];
        other_value(&rows[i], override, sizeof override);
        assert_int_equal(load_override(&config, true, room[0], &error), 0);
        assert_int_equal(load_override(&fresh, true, override, &error), 0);
        char *before = printed(&config), *wanted = printed(&fresh);
        assert_string_not_equal(before, wanted);

        config_reload(&config, &fresh, note_kept, &kept);
        char *after = printed(&config);
        bool changes = rows[i].applies == AT_RELOAD;
        assert_string_equal(after, changes ? wanted : before);
        assert_int_equal(kept.count, !changes);
        if (!changes)
            assert_string_equal(kept.name, rows[i].name);
        assert_null(fresh.database);
        free(before);
        free(wanted);
        free(after);
        config_free(&config);
    }
}

static void a_reload_of_the_same_keeps_silent(void **state) {
    (void)state;
    struct config config, fresh;
    struct kept kept = {0};
    assert_int_equal(config_load(&config, NOTHING, NULL, 0, NULL), 0);
    assert_int_equal(config_load(&fresh, NOTHING, NULL, 0, NULL), 0);
    config_reload(&config, &fresh, note_kept, &kept);
    assert_int_equal(kept.count, 0);

    /* Nobody has to listen. */
    const struct config_override override = {"workers=3"};
    assert_int_equal(config_load(&fresh, NOTHING, &override, 1, NULL), 0);
    config_reload(&config, &fresh, NULL, NULL);
    assert_int_equal(config.workers, 2);
    config_free(&config);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void a_file_and_what_overrides_it(void **state) {
    (void)state;
    static const char content[] = "; a comment\n# another\n\n[outhookd]\ntimeout = 3s\n"
                                  "connect_timeout=250ms\nmax_payload_bytes = 64K\n"
                                  "retry_schedule = 1s  2s\nallow_networks = 127.0.0.0/8 ::1\n"
                                  "log_level = debug\r\ntimeout = 4s";
    char path[64];
    write_file(path, content);
    const struct config_override overrides[] = {
        {"connect_timeout=1s"}, {"connect_timeout=2s"}, {"default_secret=a=b"}};
    struct config config;
    struct error error = {0};
    int r = config_load(&config, path, overrides, 3, &error);
    unlink(path);
    assert_string_equal(error.text, "");
    assert_int_equal(r, 0);
    assert_int_equal(config.timeout, 4000); /* the file's last line wins */
    assert_int_equal(config.connect_timeout,
                     2000); /* --set wins over the file, the last one of all */
    assert_int_equal(config.max_payload_bytes, 65536);
    assert_int_equal(config.retry_schedule.count, 2);
    assert_string_equal(config.allow_networks, "127.0.0.0/8 ::1");
    assert_string_equal(config.default_secret, "a=b");
    assert_int_equal(config.log_level, 3);
    assert_int_equal(config.workers, 2);
    config_free(&config);
}

static void bad_files_are_told_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *content, *sentence;
    } cases[] = {
        {"[outhookd]\ntimout = 3s\n",
         ", line 2: there is no setting timout; did you mean timeout?"},
        {"something_else_entirely = 1\n",
         ", line 1: there is no setting something_else_entirely: outhookd --help-settings lists"},
        {"Timeout = 3s\n", "did you mean timeout?"},
        {"timout = 3s\nworkers = 65\n", ", line 1: there is no setting timout"},
        {"timeout = 3s\n[endpoints]\nworkers = 1\n",
         ", line 3: there is no section [endpoints]; the only one is [outhookd]"},
        {"timeout = 3s\ntimeout\n", ", line 2: a line is name = value"},
        {"[outhookd\n", ", line 1: a line is name = value"},
        {"deny_networks = 10.0.0.0/8\n  127.0.0.0/8\n", ", line 2: a setting stands at the start"},
        {"timeout\ntimout = 3s\n", ", line 1: a line is name = value"},
        {"= 3\n", ", line 1: there is no setting"},
        {"ca_file =;/ca.pem\n", ", line 1: ca_file: it can't have a ; at its start"},
        {"timeout = 3\n", "timeout = 3: it has to be a duration such as"},
        {"timeout =\n", ", line 1: timeout = : it has to be a duration"},
        {"timeout = -1s\n", "it has to be a duration"},
        {"timeout = 601s\n", "timeout = 601s: it has to lie from 1ms to 10m"},
        {"workers = 1.5\n", "workers = 1.5: it has to be a whole number"},
        {"workers = 0x10\n", "a whole number"},
        {"workers = +1\n", "a whole number"},
        {"workers = 99999999999999999999\n", "a whole number"},
        {"workers = 65\n", "it has to lie from 1 to 64"},
        {"max_payload_bytes = 1T\n", "it has to be a number of bytes"},
        {"max_payload_bytes = 1k\n", "it has to be a number of bytes"},
        {"max_payload_bytes = 1KK\n", "it has to be a number of bytes"},
        {"max_payload_bytes = K\n", "it has to be a number of bytes"},
        {"max_payload_bytes = 9223372036854775807G\n", "it has to be a number of bytes"},
        {"max_payload_bytes = 513M\n", "it has to lie from 1 to 512M"},
        {"retry_schedule = 5s, 30s\n", "it has to be 1 to 50 durations such as 5s 30s 2m 1h"},
        {"retry_schedule =\n", "it has to be 1 to 50 durations"},
        {"database =\n", "database: it has to have 1 to 4000 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct error error;
        char path[64];
        assert_int_equal(load_file(&config, cases[i].content, path, &error), ERROR_USAGE);
        if (!strstr(error.text, cases[i].sentence) || strncmp(error.text, path, strlen(path)) != 0)
            fail_msg("%s gave: %s", cases[i].content, error.text);
    }
}

static void a_file_that_is_not_there(void **state) {
    (void)state;
    struct config config;
    struct error error = {0};
    assert_int_equal(config_load(&config, "/nonexistent/outhookd.conf", NULL, 0, &error),
                     ERROR_USAGE);
    assert_string_equal(error.text, "can't read the configuration /nonexistent/outhookd.conf: "
                                    "No such file or directory");
    if (access(CONFIG_DEFAULT_FILE, F_OK) != 0) {
        assert_int_equal(config_load(&config, NULL, NULL, 0, &error), 0);
        config_free(&config);
    }
}

/* inih would cut the line, and read its tail as the next one. */
static void a_line_that_is_too_long(void **state) {
    (void)state;
    struct config config;
    struct error error;
    char content[400], path[64];
    snprintf(content, sizeof content, "default_secret = a%*stimeout = 3s\n", 250, "");
    assert_int_equal(load_file(&config, content, path, &error), ERROR_USAGE);
    assert_non_null(strstr(error.text, ", line 1: a line has at most 199 characters"));
    snprintf(content, sizeof content, "default_secret = %0*d\n", 181, 0);
    assert_int_equal(load_file(&config, content, path, &error), 0);
    assert_int_equal(strlen(config.default_secret), 181);
    config_free(&config);
}

static void a_directory(void **state) {
    (void)state;
    struct config config;
    struct error error;
    assert_int_equal(config_load(&config, "/tmp", NULL, 0, &error), ERROR_USAGE);
    assert_non_null(strstr(error.text, "Is a directory"));
}

static void bad_overrides(void **state) {
    (void)state;
    static const struct {
        const char *override, *sentence;
    } cases[] = {
        {"timeout", "--set name=value"},
        {"", "--set name=value"},
        {"=3", "there is no setting"},
        {"max_atempts=3", "did you mean max_attempts?"},
        {"timeout=soon", "timeout = soon: it has to be a duration"},
        {"timeout= 3s", "it has to be a duration"},
        {"ca_file=;/ca.pem", "ca_file: it can't have a ; at its start or after a blank"},
        {"ca_file=/a ;b", "ca_file: it can't have a ;"},
        {"ca_file=/a;b\t;c", "ca_file: it can't have a ;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct error error;
        assert_int_equal(load_override(&config, false, cases[i].override, &error), ERROR_USAGE);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("%s gave: %s", cases[i].override, error.text);
    }
}

static void settings_that_contradict_each_other(void **state) {
    (void)state;
    struct config config;
    struct error error;
    assert_int_equal(load_override(&config, false, "max_in_flight=1", &error), ERROR_USAGE);
    assert_non_null(strstr(error.text, "workers"));
    assert_int_equal(load_override(&config, false, "max_in_flight=2", &error), 0);
    config_free(&config);
}

/* ---- printing -------------------------------------------------------------------------------- */

static void secrets_are_hidden(void **state) {
    (void)state;
    struct config config;
    struct error error;
    assert_int_equal(load_override(&config, false, "default_secret=whsec_hush", &error), 0);
    char *output = printed(&config);
    assert_non_null(strstr(output, "\ndefault_secret = (hidden)\n"));
    assert_null(strstr(output, "hush"));
    free(output);
    config_free(&config);

    char long_secret[600] = "default_secret=hushhush";
    memset(long_secret + strlen(long_secret), 'x', 550);
    assert_int_equal(load_override(&config, false, long_secret, &error), ERROR_USAGE);
    assert_null(strstr(error.text, "hush"));
}

static void what_is_printed_is_read_back(void **state) {
    (void)state;
    static const char content[] = "timeout = 90s\nmax_payload_bytes = 1025\nworkers = 7\n"
                                  "retry_schedule = 1s 60s 24h\nlog_level = warning\n"
                                  "deny_networks = 10.0.0.0/8\n";
    struct config config, again;
    struct error error;
    char path[64];
    assert_int_equal(load_file(&config, content, path, &error), 0);
    char *output = printed(&config);
    assert_non_null(strstr(output, "\ntimeout = 90s\n"));
    assert_non_null(strstr(output, "\nmax_payload_bytes = 1025\n"));
    assert_non_null(strstr(output, "\nmax_loaded_bytes = 32M\n"));
    assert_non_null(strstr(output, "\nretry_schedule = 1s 1m 1d\n"));
    assert_non_null(strstr(output, "\nlog_level = warning\n"));
    assert_non_null(strstr(output, "\ndefault_secret = \n"));

    assert_int_equal(load_file(&again, output, path, &error), 0);
    char *output_again = printed(&again);
    assert_string_equal(output, output_again);
    free(output);
    free(output_again);
    config_free(&config);
    config_free(&again);
}

/* The help is a configuration file of nothing but comments, and of all defaults without their ";".
 */
static void the_help_is_a_file_of_the_defaults(void **state) {
    (void)state;
    struct config config, defaults;
    struct error error;
    char path[64], *help = printed(NULL), *expected, *output;
    for (size_t i = 0; i < ROWS; i++) {
        char line[200];
        snprintf(line, sizeof line, "\n;%s = %s\n", rows[i].name, rows[i].initial);
        if (!strstr(help, line))
            fail_msg("the help has no line %s", line);
    }
    assert_int_equal(config_load(&defaults, NOTHING, NULL, 0, NULL), 0);
    expected = printed(&defaults);
    for (int without_comments = 0; without_comments < 2; without_comments++) {
        assert_int_equal(load_file(&config, help, path, &error), 0);
        output = printed(&config);
        assert_string_equal(output, expected);
        free(output);
        config_free(&config);
        for (char *c = help; (c = strstr(c, "\n;"));)
            c[1] = '\n';
    }
    free(help);
    free(expected);
    config_free(&defaults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_lie_in_their_ranges),
        cmocka_unit_test(both_ends_of_every_range),
        cmocka_unit_test(every_choice_has_its_words),
        cmocka_unit_test(a_reload_changes_what_it_may),
        cmocka_unit_test(a_reload_of_the_same_keeps_silent),
        cmocka_unit_test(a_file_and_what_overrides_it),
        cmocka_unit_test(bad_files_are_told_what_is_wrong),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(a_line_that_is_too_long),
        cmocka_unit_test(a_directory),
        cmocka_unit_test(bad_overrides),
        cmocka_unit_test(settings_that_contradict_each_other),
        cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(what_is_printed_is_read_back),
        cmocka_unit_test(the_help_is_a_file_of_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
