#ifndef OUTHOOK_CLI_GLANCE_TEXT_H
#define OUTHOOK_CLI_GLANCE_TEXT_H

/* A glance at the queue in words and in JSON: status and top have the same. */

#include "outhook/base/buffer.h"
#include "outhook/store/overview.h"

#include <stdint.h>

/* Appends "running, process 17, 12 calls in flight", or "not running", and which failures in a row
 * it has had, for which it may be "waiting for 18s more". */
void glance_append_daemon(struct buffer *line, const struct glance *glance, int64_t now_ms);

/* Appends "12 of at most 10000000, the oldest for 5m, due now". */
void glance_append_pending(struct buffer *line, const struct glance *glance, int64_t now_ms);

/* Appends the members to the object that is open. */
void glance_json(struct buffer *json, const struct glance *glance, int64_t now_ms);

#endif
