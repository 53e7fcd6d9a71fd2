#ifndef OUTHOOK_RUNTIME_LOG_H
#define OUTHOOK_RUNTIME_LOG_H

/*
 * The daemon's log: to the journal with fields when systemd connected stderr to it, else as lines
 * on stderr with the time in UTC. Any thread; lines never mix. Nobody waits for whoever reads it:
 * a thread of its own writes, and what it can't keep is counted (log_writer.h).
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* In the order of the setting log_level. */
enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

enum { LOG_FIELDS_MAX = 12 };

/* What an operator may want to find: X(name, level, MESSAGE_ID of the journal, OUTHOOK_EVENT). The
 * journal's catalog (systemd/outhook.catalog) explains each; a test holds it against this table. An
 * id stays for ever. */
#define LOG_EVENTS(X)                                                                              \
    X(STARTED, LEVEL_INFO, "eac02b1c4c4c4808bf173eda2542a952", "started")                          \
    X(STOPPED, LEVEL_INFO, "13c4aebda2e647839332e120abc99533", "stopped")                          \
    X(DRAIN_CUT_SHORT, LEVEL_WARNING, "ce9ffc80c7c242c3b95eea7917af2122", "drain-cut-short")       \
    X(RELOADED, LEVEL_INFO, "4a6c667b548f4850a552228e5721c634", "reloaded")                        \
    X(RELOAD_REFUSED, LEVEL_ERROR, "27c566db01514386af7d997f8b63032d", "reload-refused")           \
    X(ENDPOINT_DISABLED, LEVEL_WARNING, "c0a4adf5d5994446b2e218db159c7b5f", "endpoint-disabled")   \
    X(BREAKER_OPENED, LEVEL_WARNING, "b1e74fe9433b4e8a8fc280062f222798", "breaker-opened")         \
    X(BREAKER_CLOSED, LEVEL_INFO, "28e84852f5dc466e94f0080c5e2d29e3", "breaker-closed")            \
    X(STORE_BLOCKED, LEVEL_WARNING, "cd1e4d69d1394abd83fc3bd7587b699f", "store-blocked")           \
    X(STORE_RECOVERED, LEVEL_INFO, "e210105f08544732a722f2ab5b882ddd", "store-recovered")          \
    X(MIGRATED, LEVEL_INFO, "93a00039df4746649435597ecf8ac9b7", "migrated")                        \
    X(START_PUT_OFF, LEVEL_WARNING, "c91dbc6e966649b09abfcc62946f29e8", "start-put-off")           \
    X(LINES_LOST, LEVEL_WARNING, "b1e7ac3b48f7442ab22b9eb3337381e4", "lines-lost")

enum log_event {
#define LOG_EVENT_NAME(name, level, id, word) LOG_##name,
    LOG_EVENTS(LOG_EVENT_NAME)
#undef LOG_EVENT_NAME
};

/* One journal field; `name` is without the leading OUTHOOK_, in capitals. A NULL value is left out.
 */
struct log_field {
    const char *name;
    const char *value;
};

/* Finds out where to log, and starts the thread that does. Once, before the first other thread.
 * What is logged without it is written to stderr at once. */
void log_open(void);

/* Lets what waits be written, for at most `most_ms`, once the other threads have ended. Returns
 * false when somebody holds it up: then stderr must not be written to any more. */
bool log_close(int64_t most_ms);

/* Lines less important than this are left out. */
void log_set_level(enum log_level level);

/* One line. */
void log_line(enum log_level level, const char *format, ...) printf_like(2, 3);

/* One line with fields (at most LOG_FIELDS_MAX); on stderr the line alone. */
void log_fields(enum log_level level, const struct log_field *fields, int count, const char *format,
                ...) printf_like(4, 5);

/* One line that the journal can be asked for by its event. */
void log_event(enum log_event event, const char *format, ...) printf_like(2, 3);

/* The same with one field, such as the endpoint that it is about. */
void log_event_of(enum log_event event, const struct log_field *field, const char *format, ...)
    printf_like(3, 4);

#endif
