#include "outhook/base/utf8.h"

/* By the number of leading one-bits of the first byte: how long, and the least value that needs it.
 */
static const struct form {
    unsigned char mask, lead;
    size_t bytes;
    uint32_t least;
} forms[] = {
    {0x80, 0x00, 1, 0x0},
    {0xe0, 0xc0, 2, 0x80},
    {0xf0, 0xe0, 3, 0x800},
    {0xf8, 0xf0, 4, 0x10000},
};

size_t utf8_decode(const char *bytes, size_t length, uint32_t *point) {
    const unsigned char *byte = (const unsigned char *)bytes;
    for (size_t i = 0; length && i < sizeof forms / sizeof *forms; i++) {
        const struct form *form = &forms[i];
        if ((byte[0] & form->mask) != form->lead)
            continue;
        if (length < form->bytes)
            return 0;

        uint32_t value = byte[0] & (unsigned char)~form->mask;
        for (size_t k = 1; k < form->bytes; k++) {
            if ((byte[k] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (byte[k] & 0x3f);
        }
        if (value < form->least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *point = value;
        return form->bytes;
    }
    return 0;
}

bool utf8_valid(const char *bytes, size_t length) {
    uint32_t point;
    for (size_t taken; length; bytes += taken, length -= taken) {
        taken = utf8_decode(bytes, length, &point);
        if (!taken)
            return false;
    }
    return true;
}

void utf8_append(struct buffer *text, const char *bytes, size_t length) {
    uint32_t point;
    for (size_t taken; length; bytes += taken, length -= taken) {
        taken = utf8_decode(bytes, length, &point);
        if (taken) {
            buffer_append(text, bytes, taken);
            continue;
        }
        unsigned char byte = (unsigned char)*bytes;
        const char two[] = {(char)(0xc0 | byte >> 6), (char)(0x80 | (byte & 0x3f))};
        buffer_append(text, two, sizeof two);
        taken = 1;
    }
}

bool utf8_is_ascii(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!bytes[i] || (unsigned char)bytes[i] > 0x7f)
            return false;
    return true;
}
