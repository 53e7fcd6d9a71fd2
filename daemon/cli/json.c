#include "outhook/cli/json.h"

#include "outhook/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A comma goes before everything that isn't the first of its object or array. */
static void json_name(struct buffer *json, const char *name) {
    char last = json->length ? json->data[json->length - 1] : '\0';
    if (last && last != '{' && last != '[')
        buffer_append(json, ",", 1);
    if (name)
        buffer_print(json, "\"%s\":", name);
}

static void json_escape(struct buffer *json, uint32_t point, const char *bytes, size_t length) {
    static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
    const char *place = point && point < 0x80 ? strchr(from, (int)point) : NULL;
    if (place)
        buffer_print(json, "\\%c", to[place - from]);
    else if (point < 0x20 || point == 0x7f || point == 0x2028 || point == 0x2029 ||
             (point >= 0x80 && point < 0xa0))
        buffer_print(json, "\\u%04x", (unsigned)point);
    else
        buffer_append(json, bytes, length);
}

static void json_string(struct buffer *json, const char *bytes, size_t length) {
    buffer_append(json, "\"", 1);
    while (length) {
        uint32_t point = 0;
        size_t taken = utf8_decode(bytes, length, &point);
        if (taken)
            json_escape(json, point, bytes, taken);
        else
            buffer_append(json, "\\ufffd", 6);
        bytes += taken ? taken : 1;
        length -= taken ? taken : 1;
    }
    buffer_append(json, "\"", 1);
}

static void json_base64(struct buffer *json, const unsigned char *bytes, size_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer_append(json, "\"", 1);
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)bytes[i] << 16;
        three |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
        const char four[] = {
            digits[three >> 18],
            digits[three >> 12 & 63],
            left > 1 ? digits[three >> 6 & 63] : '=',
            left > 2 ? digits[three & 63] : '=',
        };
        buffer_append(json, four, sizeof four);
    }
    buffer_append(json, "\"", 1);
}

void json_open(struct buffer *json, const char *name, char bracket) {
    json_name(json, name);
    buffer_append(json, &bracket, 1);
}

void json_close(struct buffer *json, char bracket) {
    buffer_append(json, &bracket, 1);
}

void json_raw(struct buffer *json, const char *name, const char *text) {
    json_name(json, name);
    buffer_print(json, "%s", text ? text : "null");
}

void json_null(struct buffer *json, const char *name) {
    json_raw(json, name, NULL);
}

void json_integer(struct buffer *json, const char *name, int64_t value) {
    json_name(json, name);
    buffer_print(json, "%" PRId64, value);
}

void json_integer_or_null(struct buffer *json, const char *name, int64_t value) {
    if (value)
        json_integer(json, name, value);
    else
        json_null(json, name);
}

void json_bool(struct buffer *json, const char *name, bool value) {
    json_raw(json, name, value ? "true" : "false");
}

void json_text(struct buffer *json, const char *name, const char *text) {
    if (!text) {
        json_null(json, name);
        return;
    }
    json_name(json, name);
    json_string(json, text, strlen(text));
}

void json_bytes(struct buffer *json, const char *name, const void *bytes, size_t length) {
    if (!bytes) {
        json_null(json, name);
    } else if (utf8_valid(bytes, length)) {
        json_name(json, name);
        json_string(json, bytes, length);
    } else {
        json_name(json, NULL);
        buffer_print(json, "\"%s_base64\":", name);
        json_base64(json, bytes, length);
    }
}

void json_member(struct buffer *json, const char *name, const char *text) {
    json_name(json, NULL);
    json_string(json, name, strlen(name));
    buffer_append(json, ":", 1);
    json_string(json, text, strlen(text));
}

void json_print(struct buffer *json, bool at_once) {
    buffer_append(json, "\n", 1);
    fwrite(json->data, 1, json->length, stdout);
    if (at_once)
        fflush(stdout);
    buffer_clear(json);
}
