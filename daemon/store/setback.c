#include "outhook/store/setback.h"

#include "outhook/store/lock.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FIRST_WAIT_MS = 5000, /* after the second failure: the first may have been a hiccup */
    LONGEST_WAIT_MS = 300000,
    NOTE_BYTES = sizeof((struct error *)NULL)->text + 128,
};

/* ---- the note -------------------------------------------------------------------------------- */

#define FAILURES "failures="
#define FAILED_AT "failed_at="
#define FAILURE "failure="

/* Goes behind "name" and its value's line; NULL when something else stands there, or only a part of
 * the line. */
static const char *line_read(const char *text, const char *name, const char **value,
                             size_t *length) {
    size_t skip = strlen(name);
    if (!text || strncmp(text, name, skip) != 0)
        return NULL;
    *value = text + skip;
    *length = strcspn(*value, "\n");
    return (*value)[*length] ? *value + *length + 1 : NULL;
}

static const char *number_read(const char *text, const char *name, int64_t *number) {
    const char *value;
    size_t length;
    char *end;
    const char *next = line_read(text, name, &value, &length);
    if (!next)
        return NULL;
    *number = strtoll(value, &end, 10);
    return length && end == value + length ? next : NULL;
}

static bool note_read(struct setback *setback, const char *text) {
    const char *value = "";
    size_t length = 0;
    text = number_read(text, FAILURES, &setback->failures);
    text = number_read(text, FAILED_AT, &setback->failed_at);
    text = line_read(text, FAILURE, &value, &length);
    if (!text || setback->failures < 1 || setback->failed_at < 0)
        return false;
    error_set(&setback->error, ERROR_FAILED, "%.*s", (int)length, value);
    return true;
}

void setback_read(struct setback *setback, int fd) {
    char text[NOTE_BYTES];
    ssize_t got = pread(fd, text, sizeof text - 1, STORE_LOCK_TEXT_BYTES);
    text[got > 0 ? got : 0] = '\0';
    *setback = (struct setback){0};
    if (!note_read(setback, text))
        *setback = (struct setback){0};
}

/* In one piece, and without a sync: it can be lost with the power, which was an end of another
 * kind. What is there of an earlier one is cut off. */
static void note_write(const struct setback *setback, int fd) {
    char text[NOTE_BYTES];
    int length =
        snprintf(text, sizeof text, FAILURES "%" PRId64 "\n" FAILED_AT "%" PRId64 "\n" FAILURE,
                 setback->failures, setback->failed_at);
    for (const char *next = setback->error.text; *next; next++) /* it may tell what others named */
        text[length++] = (char)((unsigned char)*next < ' ' ? '?' : *next);
    text[length++] = '\n';
    if (pwrite(fd, text, (size_t)length, STORE_LOCK_TEXT_BYTES) != length ||
        ftruncate(fd, STORE_LOCK_TEXT_BYTES + length) < 0)
        return;
}

/* ---- the row --------------------------------------------------------------------------------- */

void setback_fail(struct setback *setback, const struct error *error, int64_t now_wall_ms, int fd) {
    if (setback->failures < INT32_MAX)
        setback->failures++;
    setback->failed_at = now_wall_ms;
    setback->error = *error;
    note_write(setback, fd);
}

void setback_end(struct setback *setback, int fd) {
    if (!setback->failures)
        return;
    *setback = (struct setback){0};
    if (ftruncate(fd, STORE_LOCK_TEXT_BYTES) < 0)
        return; /* it stays, and the next start waits in vain for a while */
}

int64_t setback_wait_ms(const struct setback *setback, int64_t now_wall_ms) {
    int64_t wait_ms = setback->failures < 2 ? 0 : FIRST_WAIT_MS;
    for (int64_t i = 2; i < setback->failures && wait_ms < LONGEST_WAIT_MS; i++)
        wait_ms *= 2;
    if (wait_ms > LONGEST_WAIT_MS)
        wait_ms = LONGEST_WAIT_MS;
    if (now_wall_ms < setback->failed_at) /* the clock was set back */
        return wait_ms;
    int64_t gone_ms = now_wall_ms - setback->failed_at;
    return gone_ms < wait_ms ? wait_ms - gone_ms : 0;
}
