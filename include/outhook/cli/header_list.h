#ifndef OUTHOOK_CLI_HEADER_LIST_H
#define OUTHOOK_CLI_HEADER_LIST_H

/*
 * The headers that --header 'Name: value' gives a webhook or an endpoint.
 */

#include "outhook/cli/option.h"
#include "outhook/store/producer.h"

/* Starts as {0}. The values point into the option's texts. */
struct header_list {
    struct producer_header *items;
    char **names; /* the memory that the items' names are in */
    size_t count;
};

/* Parts each text at its first colon; an ERROR_USAGE names the one that has none. Freed with
 * header_list_free(), also after an error. */
int header_list_read(const struct option_texts *texts, struct header_list *list,
                     struct error *error) must_check;

void header_list_free(struct header_list *list);

#endif
