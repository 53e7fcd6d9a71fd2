#include "outhook/cli/filter.h"

#include "outhook/base/clock.h"

#include <string.h>

static int filter_statuses(const char *words, unsigned *statuses, struct error *error) {
    for (;;) {
        size_t length = strcspn(words, ",");
        unsigned status = selection_status(words, length);
        if (!status)
            return error_set(error, ERROR_USAGE,
                             "--status %.100s: it has to be pending, delivered, failed, expired or "
                             "cancelled, or several of them parted by commas",
                             words);
        *statuses |= status;
        if (!words[length])
            return 0;
        words += length + 1;
    }
}

int filter_selection(const struct filter *filter, struct selection *selection,
                     struct error *error) {
    int64_t now = clock_now().wall_ms;
    *selection = (struct selection){
        .endpoint = filter->endpoint,
        .type = filter->type,
        .webhook = filter->webhook,
        .since_at = filter->since.given ? now - filter->since.value : 0,
        .until_at = filter->until.given ? now - filter->until.value : 0,
    };
    if (filter->since.given && filter->until.given && filter->since.value <= filter->until.value)
        return error_set(error, ERROR_USAGE,
                         "--since has to be longer ago than --until, or nothing lies between");
    int r = 0;
    for (size_t i = 0; !r && i < filter->statuses.count; i++)
        r = filter_statuses(filter->statuses.items[i], &selection->statuses, error);
    return r;
}

bool filter_given(const struct filter *filter) {
    return filter->statuses.count || filter->endpoint || filter->type || filter->webhook ||
           filter->since.given || filter->until.given;
}
