#ifndef OUTHOOK_CLI_STORY_JSON_H
#define OUTHOOK_CLI_STORY_JSON_H

#include "outhook/store/inspection.h"

/* Prints a delivery's story as a JSON object on a line of its own: "delivery", as list has it, and
 * "webhook", "endpoint" (null when they are gone) and "attempts". */
void story_json_print(const struct delivery_story *story);

#endif
