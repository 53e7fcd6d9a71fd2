#include "outhook/cli/filter.h"

#include "outhook/base/memory.h"
#include "outhook/base/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILTER_ID_DIGITS_MAX = 18 };

static const char *status_nearest(const char *word) {
    const char *nearest = NULL;
    for (int i = 0; i < SELECTION_STATUS_COUNT; i++) {
        const char *candidate = selection_status_word(i);
        if (name_is_near(word, candidate) &&
            (!nearest || name_distance(word, candidate) < name_distance(word, nearest)))
            nearest = candidate;
    }
    return nearest;
}

int filter_refuse_status(const char *words, size_t length, struct error *error) {
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word), words);
    const char *nearest = status_nearest(word);
    if (nearest)
        return error_set(error, ERROR_USAGE, "there is no status %s; did you mean %s?", word,
                         nearest);
    return error_set(error, ERROR_USAGE,
                     "there is no status %s: it has to be pending, delivered, failed, expired or "
                     "cancelled, or several of them parted by commas",
                     word);
}

static int filter_statuses(const char *words, unsigned *statuses, struct error *error) {
    for (;;) {
        size_t length = strcspn(words, ",");
        unsigned status = selection_status(words, length);
        if (!status)
            return filter_refuse_status(words, length, error);
        *statuses |= status;
        if (!words[length])
            return 0;
        words += length + 1;
    }
}

int filter_selection(const struct filter *filter, struct selection *selection,
                     struct error *error) {
    *selection = (struct selection){
        .endpoint = filter->endpoint,
        .type = filter->type,
        .webhook = filter->webhook,
        .since_at = filter->since.value,
        .until_at = filter->until.value,
        .error = filter->error,
        .missing = filter->missing,
        .held = filter->held ? SELECTION_HELD : SELECTION_HELD_OR_NOT,
    };
    if (filter->since.given && filter->until.given && filter->since.value >= filter->until.value)
        return error_set(error, ERROR_USAGE,
                         "--since has to be longer ago than --until, or nothing lies between");
    int r = 0;
    for (size_t i = 0; !r && i < filter->statuses.count; i++)
        r = filter_statuses(filter->statuses.items[i], &selection->statuses, error);
    return r;
}

bool filter_given(const struct filter *filter) {
    return filter->statuses.count || filter->endpoint || filter->type || filter->webhook ||
           filter->error || filter->missing || filter->held || filter->since.given ||
           filter->until.given;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* A number at *text, which moves behind it. */
static bool take_number(const char **text, int64_t *number) {
    size_t digits = strspn(*text, "0123456789");
    if (!digits || digits > FILTER_ID_DIGITS_MAX)
        return false;
    *number = strtoll(*text, NULL, 10);
    *text += digits;
    return true;
}

static bool parse_ids(const char *text, struct selection_range *range) {
    if (!take_number(&text, &range->first))
        return false;
    range->last = range->first;
    if (*text == '-' && (text++, !take_number(&text, &range->last)))
        return false;
    return !*text;
}

bool filter_is_id(const char *operand) {
    struct selection_range range;
    return !strcmp(operand, "-") || parse_ids(operand, &range);
}

static int ids_add(struct filter_ids *ids, const char *text, struct error *error) {
    struct selection_range range;
    if (!parse_ids(text, &range))
        return error_set(error, ERROR_USAGE,
                         "%.100s is no delivery's id: outhook list shows them; a webhook is named "
                         "by --webhook",
                         text);
    if (range.first > range.last)
        return error_set(error, ERROR_USAGE, "%.100s: the smaller id comes first", text);
    if (range.first == range.last) {
        if (ids->count == ids->capacity) {
            ids->capacity = ids->capacity * 2 + 16; /* there may be millions */
            ids->items = memory_resize(ids->items, ids->capacity, sizeof *ids->items);
        }
        ids->items[ids->count++] = range.first;
        return 0;
    }
    if (ids->range_count == SELECTION_RANGES_MAX)
        return error_set(error, ERROR_USAGE, "give at most %d ranges of ids at once",
                         SELECTION_RANGES_MAX);
    ids->ranges[ids->range_count++] = range;
    return 0;
}

/* Words of the standard input. */
static int ids_add_stdin(struct filter_ids *ids, struct error *error) {
    char word[64];
    int r = 0;
    while (!r && scanf("%63s", word) == 1)
        r = ids_add(ids, word, error);
    return r;
}

static void ids_write_json(struct filter_ids *ids) {
    for (size_t i = 0; i < ids->count; i++)
        buffer_print(&ids->json, "%s%" PRId64, i ? "," : "[", ids->items[i]);
    if (ids->count)
        buffer_print(&ids->json, "]");
}

int filter_ids_read(const struct command *command, struct filter_ids *ids, struct error *error) {
    int r = 0;
    for (int i = 0; !r && i < command->argc; i++)
        r = strcmp(command->argv[i], "-") != 0 ? ids_add(ids, command->argv[i], error)
                                               : ids_add_stdin(ids, error);
    if (!r && command->argc && !ids->count && !ids->range_count)
        r = error_set(error, ERROR_USAGE, "the standard input holds no ids");
    ids_write_json(ids);
    return r;
}

void filter_ids_free(struct filter_ids *ids) {
    free(ids->items);
    buffer_free(&ids->json);
    *ids = (struct filter_ids){0};
}

void filter_ids_select(const struct filter_ids *ids, struct selection *selection) {
    selection->ids = ids->count ? buffer_text(&ids->json) : NULL;
    selection->ranges = ids->ranges;
    selection->range_count = ids->range_count;
}
