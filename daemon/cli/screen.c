#include "outhook/cli/screen.h"

#include "outhook/base/buffer.h"
#include "outhook/cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* ECMA-48 and xterm's control sequences. 1049: the other screen; 25: the cursor; 7: no wrapping of
 * what is a little too long. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define HOME "\033[H"
#define ERASE_LINE "\033[K"
#define ERASE_BELOW "\033[J"

enum { SCREEN_ROWS_LEAST = 4, SCREEN_ROWS_USUAL = 24 };

/* What a signal's handler has to know stands here, not in an object. */
static struct {
    bool on_terminal, has_keys, drawn;
    struct termios before;
    FILE *out; /* stdout, while a picture is made */
    char *picture;
    size_t length;
} screen;

/* ---- the terminal: all of it may run in a signal's handler ----------------------------------- */

static void screen_write(const char *sequence) {
    if (write(STDOUT_FILENO, sequence, strlen(sequence)) < 0)
        return; /* whoever it was for is gone */
}

static void screen_enter(void) {
    if (screen.has_keys) {
        struct termios keys = screen.before;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 0;
        keys.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
    }
    screen_write(ENTER);
}

static void screen_leave(void) {
    screen_write(LEAVE);
    if (screen.has_keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.before);
}

static void on_end(int number) {
    (void)number;
    if (screen.on_terminal)
        screen_leave();
    _exit(0);
}

static void on_stop(int number) {
    (void)number;
    screen_leave();
    raise(SIGSTOP);
    screen_enter();
}

/* A new size, or the return of a program that stood still: enough that poll() ends. */
static void on_change(int number) {
    (void)number;
}

static void screen_catch(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigfillset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

bool screen_is_drawn(void) {
    const char *term = getenv("TERM");
    return terminal_is_stdout() && !(term && !strcmp(term, "dumb"));
}

void screen_open(void) {
    screen.on_terminal = screen_is_drawn();
    screen.has_keys = screen.on_terminal && tcgetattr(STDIN_FILENO, &screen.before) == 0;
    screen_catch(SIGINT, on_end);
    screen_catch(SIGTERM, on_end);
    screen_catch(SIGHUP, on_end);
    if (!screen.on_terminal)
        return;
    screen_catch(SIGTSTP, on_stop);
    screen_catch(SIGWINCH, on_change);
    screen_enter();
}

void screen_close(void) {
    if (screen.on_terminal)
        screen_leave();
    screen.on_terminal = false;
}

/* ---- pictures -------------------------------------------------------------------------------- */

int screen_rows(void) {
    struct winsize size;
    if (!screen.on_terminal)
        return 1 << 30;
    int rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
    rows = rows ? rows : SCREEN_ROWS_USUAL;
    return rows < SCREEN_ROWS_LEAST ? SCREEN_ROWS_LEAST : rows;
}

/* glibc lets programs set stdout (its manual, "Standard Streams"): so whatever prints needs not to
 * know of pictures. */
void screen_begin(void) {
    screen.out = stdout;
    FILE *picture = open_memstream(&screen.picture, &screen.length);
    if (picture)
        stdout = picture;
}

static void append_line(struct buffer *text, const char *line, size_t length, bool last) {
    buffer_append(text, line, length);
    buffer_print(text, last ? ERASE_LINE : ERASE_LINE "\n");
}

/* Line over line, without an empty screen in between, which would flicker. */
static void screen_draw(void) {
    struct buffer text = {0};
    const char *at = screen.picture;
    int rows = screen_rows();
    buffer_print(&text, HOME);
    for (int row = 1; *at && row <= rows; row++) {
        size_t length = strcspn(at, "\n");
        append_line(&text, at, length, row == rows);
        at += length + (at[length] == '\n');
    }
    if (!*at)
        buffer_print(&text, ERASE_BELOW);
    fwrite(text.data, 1, text.length, stdout);
    buffer_free(&text);
}

void screen_end(bool apart) {
    if (stdout != screen.out) {
        fclose(stdout);
        stdout = screen.out;
        if (screen.on_terminal)
            screen_draw();
        else
            printf("%s%s", apart && screen.drawn ? "\n" : "", screen.picture);
        free(screen.picture);
        screen.picture = NULL;
    }
    screen.drawn = true;
    fflush(stdout);
}

int screen_wait(int64_t ms) {
    struct pollfd keys = {.fd = screen.has_keys ? STDIN_FILENO : -1, .events = POLLIN};
    char key = 0;
    if (ferror(stdout))
        return SCREEN_END;
    if (poll(&keys, 1, (int)ms) <= 0)
        return SCREEN_TIME;
    if (read(STDIN_FILENO, &key, 1) <= 0)
        return SCREEN_END;
    return key == 'q' || key == 'Q' ? SCREEN_END : key;
}
