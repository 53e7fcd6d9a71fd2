#ifndef OUTHOOK_CLI_JSON_FIELD_H
#define OUTHOOK_CLI_JSON_FIELD_H

/*
 * What --json prints: each member of each verb's objects. The manual is made from this table, and a
 * test holds it against what the verbs print. A member's name and meaning stay; new ones may come.
 */

struct json_field {
    const char *verb; /* "list", "endpoint show" */
    /* "id", "attempts[].number" for a member of an array's objects, "headers.*" for any name. */
    const char *path;
    const char *meaning;
};

/* Verb by verb. Ends with an all-zero row. */
extern const struct json_field json_fields[];

#endif
