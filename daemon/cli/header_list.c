#include "outhook/cli/header_list.h"

#include "outhook/base/memory.h"

#include <stdlib.h>
#include <string.h>

int header_list_read(const struct option_texts *texts, struct header_list *list,
                     struct error *error) {
    list->items = memory_new(texts->count + 1, sizeof *list->items);
    list->names = memory_new(texts->count + 1, sizeof *list->names);
    for (; list->count < texts->count; list->count++) {
        const char *text = texts->items[list->count], *colon = strchr(text, ':');
        if (!colon)
            return error_set(error, ERROR_USAGE, "--header %.200s: write it as 'Name: value'",
                             text);
        char *name = memory_copy_string(text);
        name[colon - text] = '\0';
        list->names[list->count] = name;
        list->items[list->count] =
            (struct producer_header){name, colon + 1 + strspn(colon + 1, " \t")};
    }
    return 0;
}

void header_list_free(struct header_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    free(list->items);
    *list = (struct header_list){0};
}
