/* Plays a corpus without libFuzzer, which only clang has: `fuzz_x [-option …] DIRECTORY`. */

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

static void play(const char *path) {
    FILE *file = fopen(path, "re");
    fuzz_require(file);
    uint8_t *data = NULL;
    size_t size = 0, got;
    do {
        data = realloc(data, size + 4096);
        fuzz_require(data);
        got = fread(data + size, 1, 4096, file);
        size += got;
    } while (got);
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1);
    fuzz_require(exact);
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv) {
    const char *directory = argv[argc - 1];
    DIR *listing = opendir(directory);
    struct dirent *entry;
    int count = 0;
    if (!listing) {
        fprintf(stderr, "%s: %s\n", directory, strerror(errno));
        return 1;
    }
    while ((entry = readdir(listing))) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        fprintf(stderr, "%s\n", path);
        play(path);
        count++;
    }
    closedir(listing);
    return count ? 0 : 1;
}
