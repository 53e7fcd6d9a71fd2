#include "outhook/runtime/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

enum { LOG_LINE_BYTES = 2048, LOG_FIELD_BYTES = 1024 };

static bool to_journal;
static atomic_int threshold = LEVEL_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int level_priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

/* systemd names the device and inode of what it connected to the journal (systemd.exec(5)). */
void log_open(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                 fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
                 status.st_ino == inode;
}

void log_set_level(enum log_level level) {
    atomic_store(&threshold, (int)level);
}

/* What others wrote may stand in a line: it must stay one line and can't play with a terminal. */
static void log_clean(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

static void log_to_stderr(enum log_level level, const char *text) {
    struct timespec now;
    struct tm utc;
    char when[32], line[LOG_LINE_BYTES + 64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    int length = snprintf(line, sizeof line, "%s.%03ldZ %s: %s\n", when, now.tv_nsec / 1000000,
                          level_names[level], text);
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
}

static void log_to_journal(enum log_level level, const struct log_field *fields, int count,
                           const char *text) {
    char message[LOG_LINE_BYTES + 16], priority[16], values[LOG_FIELDS_MAX][LOG_FIELD_BYTES];
    struct iovec parts[LOG_FIELDS_MAX + 2];
    int n = 0;

    snprintf(message, sizeof message, "MESSAGE=%s", text);
    snprintf(priority, sizeof priority, "PRIORITY=%d", level_priorities[level]);
    parts[n++] = (struct iovec){message, strlen(message)};
    parts[n++] = (struct iovec){priority, strlen(priority)};
    for (int i = 0; i < count && i < LOG_FIELDS_MAX; i++) {
        if (!fields[i].value)
            continue;
        snprintf(values[i], LOG_FIELD_BYTES, "OUTHOOK_%s=%s", fields[i].name, fields[i].value);
        parts[n++] = (struct iovec){values[i], strlen(values[i])};
    }
    sd_journal_sendv(parts, n);
}

static void printf_like(4, 0) log_write(enum log_level level, const struct log_field *fields,
                                        int count, const char *format, va_list arguments) {
    if ((int)level > atomic_load(&threshold))
        return;
    char text[LOG_LINE_BYTES];
    vsnprintf(text, sizeof text, format, arguments);
    log_clean(text);
    if (to_journal)
        log_to_journal(level, fields, count, text);
    else
        log_to_stderr(level, text);
}

void log_line(enum log_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(level, NULL, 0, format, arguments);
    va_end(arguments);
}

void log_fields(enum log_level level, const struct log_field *fields, int count, const char *format,
                ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(level, fields, count, format, arguments);
    va_end(arguments);
}
