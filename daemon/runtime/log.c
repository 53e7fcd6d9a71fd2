#include "outhook/runtime/log.h"

#include "outhook/runtime/log_writer.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

enum {
    LOG_LINE_BYTES = 2048,
    LOG_FIELD_BYTES = 1024,
    LOG_PARTS_MAX = LOG_FIELDS_MAX + 4, /* the message, its priority, its event's two */
    NO_EVENT = -1,
};

static bool opened, to_journal; /* changed while there is one thread */
static atomic_int threshold = LEVEL_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int level_priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

static const struct event {
    enum log_level level;
    const char *id, *word;
} events[] = {
#define LOG_EVENT_ROW(name, level, id, word) {level, id, word},
    LOG_EVENTS(LOG_EVENT_ROW)
#undef LOG_EVENT_ROW
};

/* ---- writing, in the writer's thread --------------------------------------------------------- */

/* The parts stand one after the other, each with a NUL at its end. */
static void write_to_journal(const char *text, size_t bytes) {
    struct iovec parts[LOG_PARTS_MAX];
    int count = 0;
    for (const char *end = text + bytes; text < end && count < LOG_PARTS_MAX;) {
        size_t length = strlen(text);
        parts[count++] = (struct iovec){(char *)(uintptr_t)text, length};
        text += length + 1;
    }
    sd_journal_sendv(parts, count);
}

/* Whoever started us may have made it non-blocking, for reasons of its own. */
static void write_to_stderr(const char *text, size_t bytes) {
    while (bytes) {
        ssize_t written = write(STDERR_FILENO, text, bytes);
        if (written < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        else if (written < 0 && errno != EINTR)
            return;
        if (written > 0) {
            text += written;
            bytes -= (size_t)written;
        }
    }
}

static void log_output(const char *text, size_t bytes) {
    if (to_journal)
        write_to_journal(text, bytes);
    else
        write_to_stderr(text, bytes);
}

/* ---- making records -------------------------------------------------------------------------- */

/* What others wrote may stand in a line: it must stay one line and can't play with a terminal. */
static void log_clean(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

static struct log_record *record_for_stderr(enum log_level level, const char *text) {
    struct timespec now;
    struct tm utc;
    char when[32], line[LOG_LINE_BYTES + 64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    int length = snprintf(line, sizeof line, "%s.%03ldZ %s: %s\n", when, now.tv_nsec / 1000000,
                          level_names[level], text);
    struct log_record *record = log_record_new((size_t)length);
    memcpy(record->text, line, (size_t)length);
    return record;
}

/* The parts of a journal's entry while they are put together. */
struct entry {
    char text[LOG_LINE_BYTES + LOG_PARTS_MAX * LOG_FIELD_BYTES];
    size_t used;
};

/* As long as a field may be, with its NUL. */
static void printf_like(3, 4) entry_add(struct entry *entry, size_t most, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(entry->text + entry->used, most, format, arguments);
    va_end(arguments);
    entry->used += ((size_t)length < most ? (size_t)length : most - 1) + 1;
}

static struct log_record *record_for_journal(enum log_level level, int event,
                                             const struct log_field *fields, int count,
                                             const char *text) {
    struct entry entry = {.used = 0};
    entry_add(&entry, LOG_LINE_BYTES, "MESSAGE=%s", text);
    entry_add(&entry, LOG_FIELD_BYTES, "PRIORITY=%d", level_priorities[level]);
    if (event != NO_EVENT) {
        entry_add(&entry, LOG_FIELD_BYTES, "MESSAGE_ID=%s", events[event].id);
        entry_add(&entry, LOG_FIELD_BYTES, "OUTHOOK_EVENT=%s", events[event].word);
    }
    for (int i = 0; i < count && i < LOG_FIELDS_MAX; i++)
        if (fields[i].value)
            entry_add(&entry, LOG_FIELD_BYTES, "OUTHOOK_%s=%s", fields[i].name, fields[i].value);
    struct log_record *record = log_record_new(entry.used);
    memcpy(record->text, entry.text, entry.used);
    return record;
}

static struct log_record *log_record(enum log_level level, int event,
                                     const struct log_field *fields, int count, const char *text) {
    return to_journal ? record_for_journal(level, event, fields, count, text)
                      : record_for_stderr(level, text);
}

static struct log_record *log_tell_lost(uint64_t count) {
    char text[128];
    snprintf(text, sizeof text, "%" PRIu64 " lines of log are missing here: nobody took them",
             count);
    return log_record(events[LOG_LINES_LOST].level, LOG_LINES_LOST, NULL, 0, text);
}

/* ---- for the others -------------------------------------------------------------------------- */

static const struct log_writer_ops writer_ops = {.write = log_output, .tell_lost = log_tell_lost};

/* systemd names the device and inode of what it connected to the journal (systemd.exec(5)). */
void log_open(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                 fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
                 status.st_ino == inode;
    opened = true;
    log_writer_start(&writer_ops);
}

bool log_close(int64_t most_ms) {
    return log_writer_stop(most_ms);
}

void log_set_level(enum log_level level) {
    atomic_store(&threshold, (int)level);
}

static void printf_like(5, 0)
    log_write(enum log_level level, int event, const struct log_field *fields, int count,
              const char *format, va_list arguments) {
    if ((int)level > atomic_load(&threshold))
        return;
    char text[LOG_LINE_BYTES];
    vsnprintf(text, sizeof text, format, arguments);
    log_clean(text);
    struct log_record *record = log_record(level, event, fields, count, text);
    if (opened) {
        log_writer_send(record);
        return;
    }
    log_output(record->text, record->bytes);
    free(record);
}

void log_line(enum log_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(level, NO_EVENT, NULL, 0, format, arguments);
    va_end(arguments);
}

void log_fields(enum log_level level, const struct log_field *fields, int count, const char *format,
                ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(level, NO_EVENT, fields, count, format, arguments);
    va_end(arguments);
}

void log_event(enum log_event event, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(events[event].level, (int)event, NULL, 0, format, arguments);
    va_end(arguments);
}

void log_event_of(enum log_event event, const struct log_field *field, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(events[event].level, (int)event, field, 1, format, arguments);
    va_end(arguments);
}
