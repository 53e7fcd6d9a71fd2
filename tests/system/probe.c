/*
 * What the tests under a real systemd need inside of it, and no shell can do.
 *
 *     probe sandbox               tries what the sandbox forbids, and prints a line for each: its
 * name and "done" or the error probe freeze TASK SECONDS   makes one thread stand still for so long
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_personality(void) {
    return personality(PER_LINUX32);
}

static int try_executable_memory(void) {
    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? -1 : 0;
}

static int try_namespace(void) {
    return unshare(CLONE_NEWUSER);
}

static int try_netlink(void) {
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int try_packet(void) {
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static int try_setgid_bit(void) {
    int fd = open("/var/lib/outhook/probe", O_CREAT | O_RDWR, 0600);
    int result = fd < 0 ? -1 : fchmod(fd, 02755);
    int kept = errno;
    unlink("/var/lib/outhook/probe");
    errno = kept;
    return result;
}

static int try_mount(void) {
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static int try_bpf(void) {
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int try_nice(void) {
    return nice(-5) == -1 ? -1 : 0;
}

static int try_write_etc(void) {
    return open("/etc/probe", O_CREAT | O_WRONLY, 0600);
}

static int try_write_tmp(void) {
    return open("/tmp/probe", O_CREAT | O_WRONLY, 0600);
}

static int try_see_tmp(void) {
    return open("/tmp/outside", O_RDONLY);
}

static int try_home(void) {
    return open("/home/alice/outside", O_RDONLY);
}

static int try_device(void) {
    return open("/dev/tty", O_RDWR);
}

static int try_proc_sys(void) {
    return open("/proc/sys/kernel/hostname", O_RDONLY);
}

static int try_other_process(void) {
    return open("/proc/1/status", O_RDONLY);
}

static const struct {
    const char *name;
    int (*try)(void);
} tries[] = {
    {"personality", try_personality},
    {"executable-memory", try_executable_memory},
    {"namespace", try_namespace},
    {"netlink", try_netlink},
    {"packet", try_packet},
    {"setgid-bit", try_setgid_bit},
    {"mount", try_mount},
    {"bpf", try_bpf},
    {"nice", try_nice},
    {"write-etc", try_write_etc},
    {"write-own-tmp", try_write_tmp},
    {"see-tmp", try_see_tmp},
    {"home", try_home},
    {"device", try_device},
    {"proc-sys", try_proc_sys},
    {"other-process", try_other_process},
};

/* Each in a process of its own: a system call that is not allowed may be the last. */
static void sandbox(void) {
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        int status = 0;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            errno = 0;
            int result = tries[i].try();
            printf("%s %s\n", tries[i].name, result < 0 ? strerrorname_np(errno) : "done");
            exit(0);
        }
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status))
            printf("%s SIG%s\n", tries[i].name, sigabbrev_np(WTERMSIG(status)));
    }
}

static int freeze(pid_t task, unsigned seconds) {
    if (ptrace(PTRACE_SEIZE, task, NULL, NULL) < 0 ||
        ptrace(PTRACE_INTERRUPT, task, NULL, NULL) < 0 || waitpid(task, NULL, __WALL) < 0) {
        perror("probe");
        return 1;
    }
    /* Until then, or until it is dead. */
    for (unsigned ms = 0; ms < seconds * 1000 && waitpid(task, NULL, __WALL | WNOHANG) == 0;
         ms += 50)
        usleep(50000);
    ptrace(PTRACE_DETACH, task, NULL, NULL);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "freeze"))
        return freeze(atoi(argv[2]), (unsigned)atoi(argv[3]));
    sandbox();
    return 0;
}
