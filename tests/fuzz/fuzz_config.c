/* The configuration file.
 *
 * - What is taken, printed and read again is the same, unless its line got too long by the blanks
 *   around a printed "="; each number lies in its setting's range.
 * - What is refused leaves nothing behind, and says where and why in one line. */

#include "fuzz.h"

#include "outhook/runtime/config.h"

#include <sys/mman.h>
#include <unistd.h>

/* config_load() wants a name, so the bytes stand in a file without one of its own. */
static int load(struct config *config, const void *data, size_t size, struct error *error) {
    char path[64];
    int file = memfd_create("config", MFD_CLOEXEC);
    fuzz_require(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int r = config_load(config, path, NULL, 0, error);
    close(file);
    return r;
}

static char *print(const struct config *config, size_t *length) {
    char *text = NULL;
    FILE *file = open_memstream(&text, length);
    fuzz_require(file);
    config_print(config, file);
    fclose(file);
    return text;
}

#define JUDGE_NUMBER(name, least, most) fuzz_require(config->name >= least && config->name <= most);
#define JUDGE_DURATION(name, least, most) JUDGE_NUMBER(name, least, most)
#define JUDGE_INTEGER(name, least, most) JUDGE_NUMBER(name, least, most)
#define JUDGE_BYTES(name, least, most) JUDGE_NUMBER(name, least, most)
#define JUDGE_TEXT(name, least, most)                                                              \
    fuzz_require((int64_t)strlen(config->name) >= least && (int64_t)strlen(config->name) <= most);
#define JUDGE_SCHEDULE(name, least, most)                                                          \
    fuzz_require(config->name.count >= 1 && config->name.count <= DURATIONS_MAX);
#define JUDGE_CHOICE(name, least, most) fuzz_require(config->name >= 0);

static void judge_ranges(const struct config *config) {
#define JUDGE(name, type, initial, least, most, words, applies, documentation)                     \
    JUDGE_##type(name, least, most)
    SETTINGS(JUDGE)
#undef JUDGE
}

static void judge_again(struct config *config) {
    struct config again;
    struct error error = {0};
    size_t length, length_again;
    config->default_secret[0] = '\0'; /* it is not printed */
    char *text = print(config, &length);
    if (load(&again, text, length, &error)) {
        if (strstr(error.text, "a line has at most")) {
            free(text);
            return;
        }
        fprintf(stderr, "%s\n%s\n", text, error.text);
        abort();
    }
    char *text_again = print(&again, &length_again);
    fuzz_require(length == length_again && !memcmp(text, text_again, length));
    config_free(&again);
    free(text_again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config config;
    struct error error = {0};
    if (load(&config, data, size, &error)) {
        fuzz_require(error.kind == ERROR_USAGE && *error.text && !strchr(error.text, '\n'));
        return 0;
    }
    judge_ranges(&config);
    judge_again(&config);
    config_free(&config);
    return 0;
}
