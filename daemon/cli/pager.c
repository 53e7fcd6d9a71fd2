#include "outhook/cli/pager.h"

#include "outhook/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pager_pid;

/* The user's choice, "" for none; NULL when there is none. */
static const char *pager_chosen(void) {
    const char *own = getenv("OUTHOOK_PAGER");
    const char *command = own ? own : getenv("PAGER");
    return command && !strcmp(command, "cat") ? "" : command;
}

static void pager_exec(const char *command) {
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    /* F: ends when all fits, R: colours, S: no folding, X: leaves the text where it is, M: says how
     * far, K: Ctrl-C ends it. */
    setenv("LESS", "FRSXMK", 0);
    setenv("LESSCHARSET", "utf-8", 0);
    /* Without less. e: ends at the end, f: no folding, as it takes colours for letters. */
    setenv("MORE", "-ef", 0);
    if (getenv("SUDO_UID")) /* from less, commands can be run */
        setenv("LESSSECURE", "1", 1);
    if (command)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    execlp("less", "less", (char *)NULL);
    execlp("more", "more", (char *)NULL);
    execlp("cat", "cat", (char *)NULL);
    _exit(127);
}

static void pager_wait(void) {
    while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* The person has left, and wants no more. */
static void on_pipe(int number) {
    (void)number;
    pager_wait();
    _exit(0);
}

void pager_start(void) {
    const char *command = pager_chosen();
    int ends[2];
    if (pager_pid || !terminal_is_stdout() || (command && !*command) || pipe2(ends, O_CLOEXEC))
        return;
    fflush(stdout);
    pager_pid = fork();
    if (pager_pid == 0) {
        dup2(ends[0], STDIN_FILENO);
        pager_exec(command);
    }
    if (pager_pid > 0) {
        signal(SIGPIPE, on_pipe);
        signal(SIGINT, SIG_IGN); /* it is the pager's */
        dup2(ends[1], STDOUT_FILENO);
    } else {
        pager_pid = 0;
    }
    close(ends[0]);
    close(ends[1]);
}

void pager_end(void) {
    if (!pager_pid)
        return;
    fflush(stdout);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0)
        dup2(nowhere, STDOUT_FILENO); /* the end of what the pager reads */
    pager_wait();
    pager_pid = 0;
    if (nowhere >= 0)
        close(nowhere);
}
