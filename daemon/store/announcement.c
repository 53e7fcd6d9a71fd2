#include "outhook/store/announcement.h"

#include "outhook/runtime/log.h"
#include "outhook/store/database.h"
#include "outhook/store/safety_copy.h"

#include <sqlite3.h>
#include <stdlib.h>

static void announce_migration(const struct database *database) {
    const struct migration_result *done = &database->migrated;
    if (!done->before || done->before == done->after)
        return;
    char *copy = safety_copy_path(database, done->before);
    log_event(LOG_MIGRATED, "%s was migrated from schema version %d to %d; a copy of before is %s",
              database->path, done->before, done->after, copy);
    free(copy);
}

void announcement_log(const struct database *database) {
    int number = sqlite3_libversion_number();
    bool fixed = number >= 3051003 || number == 3050007 || number == 3044006;
    announce_migration(database);
    log_line(LEVEL_INFO, "serving %s with SQLite %s, %s", database->path, sqlite3_libversion(),
             fixed ? "which has the fix of the WAL-reset bug"
                   : "whose WAL-reset bug is guarded against");
}
