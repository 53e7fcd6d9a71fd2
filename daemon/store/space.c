#include "outhook/store/space.h"

#include "outhook/base/clock.h"
#include "outhook/store/database.h"

#include <sqlite3.h>
#include <stdio.h>

enum {
    SPACE_PAGES_LEAST = 16,
    SPACE_PAGES_MOST = 1024,
    SPACE_WORK_US = 3000,   /* that a slice means to take */
    SPACE_KEPT_LEAST = 256, /* free pages that are kept, 1 MiB */
    SPACE_KEPT_SHARE = 20,  /* or a twentieth of the file */
};

enum { AUTO_VACUUM_INCREMENTAL = 2 };

int space_open(struct space *space, struct database *database, struct error *error) {
    int64_t mode = 0;
    *space = (struct space){.database = database, .pages = SPACE_PAGES_LEAST};
    int r = database_integer(database, "PRAGMA auto_vacuum", &mode, error);
    space->works = mode == AUTO_VACUUM_INCREMENTAL;
    return r;
}

/* Pages that are free beyond those that are kept. */
static int space_measure(struct space *space, int64_t *spare, struct error *error) {
    int64_t free_pages = 0, pages = 0;
    *spare = 0;
    int r = database_integer(space->database, "PRAGMA freelist_count", &free_pages, error);
    if (!r)
        r = database_integer(space->database, "PRAGMA page_count", &pages, error);
    int64_t kept = pages / SPACE_KEPT_SHARE;
    if (kept < SPACE_KEPT_LEAST)
        kept = SPACE_KEPT_LEAST;
    *spare = free_pages - kept;
    return r;
}

/* Each page takes as long as the disk does: the next slice is as large as fits the time. */
static void space_adapt(struct space *space, int64_t took_us) {
    if (took_us > SPACE_WORK_US && space->pages > SPACE_PAGES_LEAST)
        space->pages /= 2;
    else if (took_us < SPACE_WORK_US / 2 && space->pages < SPACE_PAGES_MOST)
        space->pages *= 2;
}

int space_run(struct space *space, bool *more, struct error *error) {
    int64_t spare = 0;
    *more = false;
    if (!space->works)
        return 0;
    int r = space_measure(space, &spare, error);
    if (r || spare <= 0)
        return r;
    char pragma[64];
    int pages = spare < space->pages ? (int)spare : space->pages;
    snprintf(pragma, sizeof pragma, "PRAGMA incremental_vacuum(%d)", pages);
    int64_t began_us = clock_mono_us();
    r = database_run(space->database, pragma, error);
    if (r)
        return r;
    space_adapt(space, clock_mono_us() - began_us);
    space->pages_freed += pages;
    *more = spare > pages;
    return 0;
}
