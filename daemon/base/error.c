#include "outhook/base/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *error, int kind, const char *format, ...) {
    if (!error)
        return kind;

    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->kind = kind;
    return kind;
}

int error_exit_code(int kind) {
    return kind == ERROR_USAGE ? 2 : 1;
}
