/* The command line, by a table that has an option of each kind. The input's lines are the words; a
 * first line "+" stands for "the first operand ends the options".
 *
 * - What is taken, written out as --name=value and read again, is the same.
 * - What is refused says why in one sentence. */

#include "fuzz.h"

#include "outhook/cli/option.h"

#include <inttypes.h>

enum { WORDS_MAX = 64, LEAST = 1, MOST = 1000000 };

struct settings {
    bool flag, help;
    const char *text;
    struct option_texts texts;
    struct option_number number, duration;
};

static const struct option_row rows[] = {
    {"flag", NULL, OPTION_FLAG, offsetof(struct settings, flag), 0, 0, "a flag"},
    {"help", NULL, OPTION_FLAG, offsetof(struct settings, help), 0, 0, "help"},
    {"text", "TEXT", OPTION_TEXT, offsetof(struct settings, text), 0, 0, "a text"},
    {"texts", "TEXT", OPTION_TEXTS, offsetof(struct settings, texts), 0, 0, "texts"},
    {"number", "N", OPTION_INTEGER, offsetof(struct settings, number), LEAST, MOST, "a number"},
    {"duration", "TIME", OPTION_DURATION, offsetof(struct settings, duration), 0, 0, "a time"},
    {0},
};

static int read_words(struct settings *settings, int argc, char **argv, bool stop_early, int *first,
                      struct error *error) {
    const struct option_parse tables[] = {{rows, settings}, {0}};
    *settings = (struct settings){0};
    return option_read(tables, argc, argv, stop_early, first, error);
}

static void add(char **argv, int *argc, const char *name, const char *value) {
    fuzz_require(asprintf(&argv[*argc], value ? "--%s=%s" : "--%s", name, value) > 0);
    *argc += 1;
}

static int write_out(const struct settings *settings, char **argv) {
    int argc = 0;
    char number[32];
    add(argv, &argc, "fuzz", NULL); /* argv[0] */
    if (settings->flag)
        add(argv, &argc, "flag", NULL);
    if (settings->help)
        add(argv, &argc, "help", NULL);
    if (settings->text)
        add(argv, &argc, "text", settings->text);
    for (size_t i = 0; i < settings->texts.count; i++)
        add(argv, &argc, "texts", settings->texts.items[i]);
    snprintf(number, sizeof number, "%" PRId64, settings->number.value);
    if (settings->number.given)
        add(argv, &argc, "number", number);
    snprintf(number, sizeof number, "%" PRId64 "ms", settings->duration.value);
    if (settings->duration.given && settings->duration.value < 1000000000)
        add(argv, &argc, "duration", number);
    return argc;
}

static void judge_again(const struct settings *settings) {
    char *argv[2 * WORDS_MAX + 8] = {0};
    struct settings again;
    struct error error = {0};
    int first = 0, argc = write_out(settings, argv);
    fuzz_require(read_words(&again, argc, argv, false, &first, &error) == 0 && first == argc);
    fuzz_require(again.flag == settings->flag && again.help == settings->help);
    fuzz_require(!again.text == !settings->text);
    fuzz_require(!again.text || !strcmp(again.text, settings->text));
    fuzz_require(again.texts.count == settings->texts.count);
    for (size_t i = 0; i < again.texts.count; i++)
        fuzz_require(!strcmp(again.texts.items[i], settings->texts.items[i]));
    fuzz_require(again.number.given == settings->number.given &&
                 again.number.value == settings->number.value);
    fuzz_require(!again.duration.given || again.duration.value == settings->duration.value);
    option_free(rows, &again);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size), *rest = text, *line, name[] = "fuzz";
    char *argv[WORDS_MAX + 2] = {name};
    struct settings settings;
    struct error error = {0};
    int argc = 1, first = 0;
    bool stop_early = text[0] == '+' && text[1] == '\n';
    if (stop_early)
        (void)fuzz_line(&rest);
    while (argc <= WORDS_MAX && (line = fuzz_line(&rest)))
        argv[argc++] = line;

    int r = read_words(&settings, argc, argv, stop_early, &first, &error);
    if (r) {
        fuzz_require(r == ERROR_USAGE && *error.text);
    } else {
        fuzz_require(first >= 1 && first <= argc);
        fuzz_require(!settings.number.given ||
                     (settings.number.value >= LEAST && settings.number.value <= MOST));
        judge_again(&settings);
    }
    option_free(rows, &settings);
    free(text);
    return 0;
}
