#include "outhook/cli/terminal.h"

#include "outhook/cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TERMINAL_COLUMNS_LEAST = 20, TERMINAL_COLUMNS_USUAL = 80 };

static long columns_of_environment(void) {
    const char *text = getenv("COLUMNS");
    return text ? strtol(text, NULL, 10) : 0;
}

bool terminal_is_stdout(void) {
    static int is = -1;
    if (is < 0)
        is = isatty(STDOUT_FILENO);
    return is;
}

/* The pager's terminal is that of the other two as well. */
static long columns_of_terminal(void) {
    static const int fds[] = {STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO};
    struct winsize size;
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (ioctl(fds[i], TIOCGWINSZ, &size) == 0)
            return size.ws_col;
    return 0;
}

int terminal_columns(void) {
    if (!terminal_is_stdout())
        return TEXT_UNBOUNDED;
    long columns = columns_of_environment();
    if (columns <= 0 || columns > TEXT_UNBOUNDED)
        columns = columns_of_terminal();
    if (columns <= 0)
        columns = TERMINAL_COLUMNS_USUAL;
    return columns < TERMINAL_COLUMNS_LEAST ? TERMINAL_COLUMNS_LEAST : (int)columns;
}

static bool terminal_has_colours(void) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return terminal_is_stdout() && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *terminal_style(enum terminal_style style) {
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\033[0m", [STYLE_BOLD] = "\033[1m", [STYLE_DIM] = "\033[2m",
        [STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[31m", [STYLE_WARN] = "\033[33m",
    };
    return terminal_has_colours() ? sequences[style] : "";
}

enum terminal_style terminal_status_style(const char *status) {
    static const struct {
        const char *status;
        enum terminal_style style;
    } styles[] = {
        {"delivered", STYLE_GOOD},
        {"failed", STYLE_BAD},
        {"expired", STYLE_WARN},
        {"cancelled", STYLE_DIM},
    };
    for (size_t i = 0; status && i < sizeof styles / sizeof *styles; i++)
        if (!strcmp(status, styles[i].status))
            return styles[i].style;
    return STYLE_PLAIN;
}

bool terminal_confirm(const char *question) {
    char answer[16] = "";
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\r\n")] = '\0';
    return !strcasecmp(answer, "y") || !strcasecmp(answer, "yes");
}
