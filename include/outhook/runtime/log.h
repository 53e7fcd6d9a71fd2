#ifndef OUTHOOK_RUNTIME_LOG_H
#define OUTHOOK_RUNTIME_LOG_H

/*
 * The daemon's log: to the journal with fields when systemd connected stderr to it, else as lines
 * on stderr with the time in UTC. Any thread; a line is one write, so lines never mix.
 */

#include "outhook/base/error.h"

/* In the order of the setting log_level. */
enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

enum { LOG_FIELDS_MAX = 12 };

/* One journal field; `name` is without the leading OUTHOOK_, in capitals. A NULL value is left out.
 */
struct log_field {
    const char *name;
    const char *value;
};

/* Finds out where to log. Once, before the first thread. */
void log_open(void);

/* Lines less important than this are left out. */
void log_set_level(enum log_level level);

/* One line. */
void log_line(enum log_level level, const char *format, ...) printf_like(2, 3);

/* One line with fields (at most LOG_FIELDS_MAX); on stderr the line alone. */
void log_fields(enum log_level level, const struct log_field *fields, int count, const char *format,
                ...) printf_like(4, 5);

#endif
