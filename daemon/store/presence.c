#include "outhook/store/presence.h"

#include "outhook/store/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { LOOK_EVERY_MS = 1000 };

int presence_check(struct presence *presence, const struct database *database, const char *wal_path,
                   int64_t now_mono_ms, struct error *error) {
    if (now_mono_ms < presence->look_at_ms)
        return 0;
    presence->look_at_ms = now_mono_ms + LOOK_EVERY_MS;

    int moved = 0;
    struct stat status;
    sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved && stat(wal_path, &status) == 0 && presence->wal_inode == 0)
        presence->wal_inode = status.st_ino;
    else if (!moved && presence->wal_inode)
        moved = stat(wal_path, &status) < 0 || status.st_ino != presence->wal_inode;
    if (!moved)
        return 0;
    return error_set(error, ERROR_DAMAGED,
                     "%s or its -wal file was moved, deleted or replaced while outhookd had it "
                     "open: put the right file back and start outhookd again",
                     database->path);
}
