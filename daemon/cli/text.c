#include "outhook/cli/text.h"

#include "outhook/base/utf8.h"

#include <inttypes.h>
#include <time.h>
#include <wchar.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS "\xe2\x80\xa6"

/* One character on its way to the terminal. */
struct glyph {
    const char *bytes;
    size_t length;
    int columns;
    size_t taken; /* of the input */
};

static bool point_turns_text(uint32_t point) {
    return point == 0x200e || point == 0x200f || point == 0x061c ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static bool point_is_space(uint32_t point) {
    return (point >= '\t' && point <= '\r') || point == 0x85 || point == 0x2028 || point == 0x2029;
}

static struct glyph glyph_next(const char *bytes, size_t length) {
    uint32_t point = 0;
    size_t taken = utf8_decode(bytes, length, &point);
    if (!taken)
        return (struct glyph){REPLACEMENT, sizeof REPLACEMENT - 1, 1, 1};
    if (point_is_space(point))
        return (struct glyph){" ", 1, 1, taken};
    int columns = point ? wcwidth((wchar_t)point) : -1;
    if (columns < 0 || point_turns_text(point))
        return (struct glyph){REPLACEMENT, sizeof REPLACEMENT - 1, 1, taken};
    return (struct glyph){bytes, taken, columns, taken};
}

int text_columns(const char *bytes, size_t length) {
    int columns = 0;
    while (length) {
        struct glyph glyph = glyph_next(bytes, length);
        columns += glyph.columns;
        bytes += glyph.taken;
        length -= glyph.taken;
    }
    return columns;
}

/* Whether all of it fits; looks no further than it has to. */
static bool text_fits(const char *bytes, size_t length, int columns) {
    while (length && columns >= 0) {
        struct glyph glyph = glyph_next(bytes, length);
        columns -= glyph.columns;
        bytes += glyph.taken;
        length -= glyph.taken;
    }
    return columns >= 0;
}

int text_append(struct buffer *line, const char *bytes, size_t length, int columns) {
    bool fits = text_fits(bytes, length, columns);
    int room = fits ? columns : columns - 1, used = 0;
    while (length) {
        struct glyph glyph = glyph_next(bytes, length);
        if (used + glyph.columns > room)
            break;
        buffer_append(line, glyph.bytes, glyph.length);
        used += glyph.columns;
        bytes += glyph.taken;
        length -= glyph.taken;
    }
    if (fits || columns < 1)
        return used;
    buffer_append(line, ELLIPSIS, sizeof ELLIPSIS - 1);
    return used + 1;
}

size_t text_break(const char *bytes, size_t length, int columns) {
    size_t at = 0, blank = 0;
    while (at < length) {
        struct glyph glyph = glyph_next(bytes + at, length - at);
        bool is_blank = glyph.length == 1 && *glyph.bytes == ' ';
        if (glyph.columns > columns && !is_blank)
            return blank ? blank : at ? at : glyph.taken;
        columns -= glyph.columns;
        at += glyph.taken;
        blank = is_blank ? at : blank;
        if (columns < 0)
            return blank;
    }
    return length;
}

void text_append_age(struct buffer *line, int64_t ms) {
    static const struct {
        int64_t below_ms, unit_ms;
        const char *unit;
    } steps[] = {
        {1000, 1, "ms"},           {120000, 1000, "s"},        {7200000, 60000, "m"},
        {172800000, 3600000, "h"}, {INT64_MAX, 86400000, "d"},
    };
    size_t i = 0;
    while (ms >= steps[i].below_ms)
        i++;
    int64_t unit = steps[i].unit_ms;
    buffer_print(line, "%" PRId64 "%s", ms > 0 ? (ms + unit / 2) / unit : 0, steps[i].unit);
}

void text_append_time(struct buffer *line, int64_t at_ms) {
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm utc;
    char text[64];
    if (gmtime_r(&seconds, &utc) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc))
        buffer_print(line, "%s", text);
    else
        buffer_print(line, "%" PRId64 " ms", at_ms);
}

void text_append_when(struct buffer *line, int64_t at_ms, int64_t now_ms) {
    text_append_time(line, at_ms);
    buffer_print(line, at_ms > now_ms ? " (in " : " (");
    text_append_age(line, at_ms > now_ms ? at_ms - now_ms : now_ms - at_ms);
    buffer_print(line, at_ms > now_ms ? ")" : " ago)");
}

void text_append_bytes(struct buffer *line, int64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        buffer_print(line, "%" PRId64 " byte%s", bytes, bytes == 1 ? "" : "s");
        return;
    }
    double value = (double)bytes / 1024;
    size_t i = 0;
    for (; value >= 1024 && i + 1 < sizeof units / sizeof *units; i++)
        value /= 1024;
    buffer_print(line, value < 10 ? "%.1f %s" : "%.0f %s", value, units[i]);
}
