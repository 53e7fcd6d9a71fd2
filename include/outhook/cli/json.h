#ifndef OUTHOOK_CLI_JSON_H
#define OUTHOOK_CLI_JSON_H

/*
 * One JSON object a line, for --json. What it holds comes from rows and from requests alike, and
 * may be any bytes: text that is not UTF-8 is written as base64, under a name that says so.
 *
 * A member's name is a literal of ours, written as it is. NULL as a name: inside of an array.
 */

#include "outhook/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins and ends an object, or an array. */
void json_open(struct buffer *json, const char *name, char bracket);
void json_close(struct buffer *json, char bracket);

void json_integer(struct buffer *json, const char *name, int64_t value);
void json_bool(struct buffer *json, const char *name, bool value);
void json_null(struct buffer *json, const char *name);

/* 0 stands for "there is none": null. */
void json_integer_or_null(struct buffer *json, const char *name, int64_t value);

/* A text that ends with a NUL; NULL becomes null. Bytes that are not UTF-8 become U+FFFD. */
void json_text(struct buffer *json, const char *name, const char *text);

/* Bytes: a string if they are UTF-8; else "<name>_base64": "…". NULL becomes null. */
void json_bytes(struct buffer *json, const char *name, const void *bytes, size_t length);

/* A member whose name is any text, such as a header's. */
void json_member(struct buffer *json, const char *name, const char *text);

/* What is JSON already; NULL becomes null. */
void json_raw(struct buffer *json, const char *name, const char *text);

/* Prints the line to stdout, and flushes it when `at_once`. Empties the buffer. */
void json_print(struct buffer *json, bool at_once);

#endif
