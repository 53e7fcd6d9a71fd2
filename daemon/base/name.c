#include "outhook/base/name.h"

#include <stdint.h>
#include <string.h>

size_t name_distance(const char *a, const char *b) {
    size_t row[64], length = strlen(b);
    if (length >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t least = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            row[j + 1] = change < least ? change : least;
        }
    }
    return row[length];
}

bool name_is_near(const char *a, const char *b) {
    size_t distance = name_distance(a, b);
    return distance <= NAME_DISTANCE_NEAR && distance * 2 <= strlen(b);
}
