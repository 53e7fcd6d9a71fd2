#include "outhook/store/presence.h"

#include "outhook/base/clock.h"
#include "outhook/store/database.h"
#include "outhook/store/watch.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_EVERY_MS = 1000 };

/* ---- where it is ----------------------------------------------------------------------------- */

static bool presence_moved(struct presence *presence, const struct database *database,
                           const char *wal_path) {
    int moved = 0;
    struct stat status;
    sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved && stat(wal_path, &status) == 0 && presence->wal_inode == 0)
        presence->wal_inode = status.st_ino;
    else if (!moved && presence->wal_inode)
        moved = stat(wal_path, &status) < 0 || status.st_ino != presence->wal_inode;
    return moved;
}

/* ---- who writes it --------------------------------------------------------------------------- */

/* Where these stand in the shared memory of the log (WalIndexHdr and WalCkptInfo in wal.c; part of
 * its file format). */
enum { SALTS_AT = 32, BACKFILL_AT = 96, ATTEMPTED_AT = 128, REGION_BYTES = 32768 };

/* How far the log has been copied into the database. False when that can't be told, or is going on:
 * a checkpoint says how far it will go before it writes, and that it went so far afterwards. */
static bool copied_read(const struct database *database, struct presence_copied *copied) {
    sqlite3_file *file = NULL;
    volatile void *region = NULL;
    uint32_t backfill = 0;
    sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!file || !file->pMethods || file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, REGION_BYTES, 0, &region) || !region)
        return false;
    const unsigned char *bytes = (const unsigned char *)(uintptr_t)region;
    __sync_synchronize();
    memcpy(copied->salts, bytes + SALTS_AT, sizeof copied->salts);
    memcpy(&copied->frames, bytes + ATTEMPTED_AT, sizeof copied->frames);
    memcpy(&backfill, bytes + BACKFILL_AT, sizeof backfill);
    return backfill == copied->frames;
}

static bool copied_same(const struct presence_copied *a, const struct presence_copied *b) {
    return !memcmp(a->salts, b->salts, sizeof a->salts) && a->frames == b->frames;
}

/* Whether the database's file was written since the last look although nothing was copied into it,
 * which is all that SQLite does to it: somebody has put something else there. A file whose times
 * were set, as touch does, looks written, too. The kernel tells a watch of writes, but a little
 * later than the file's time does: so when there was none, the next look decides. */
static bool presence_overwritten(struct presence *presence, const struct database *database,
                                 struct watch *watch) {
    struct presence_copied before, after;
    struct stat status;
    bool settled = copied_read(database, &before) && stat(database->file, &status) == 0 &&
                   copied_read(database, &after) && copied_same(&before, &after);
    bool same = settled && presence->noted && copied_same(&before, &presence->copied);
    bool written = same && (status.st_mtim.tv_sec != presence->written_at.tv_sec ||
                            status.st_mtim.tv_nsec != presence->written_at.tv_nsec);
    if (watch->fd >= 0)
        watch_read(watch, clock_mono_us());
    bool touched = written && watch->fd >= 0 && watch->database_writes == presence->writes;
    presence->doubted = touched && !presence->doubted;
    if (presence->doubted)
        return false; /* what was noted stays, for the next look */
    presence->noted = settled;
    if (settled) {
        presence->copied = before;
        presence->written_at = status.st_mtim;
        presence->writes = watch->database_writes;
    }
    return written && !touched;
}

/* ---- both ------------------------------------------------------------------------------------ */

int presence_check(struct presence *presence, struct database *database, const char *wal_path,
                   struct watch *watch, int64_t now_mono_ms, struct error *error) {
    if (now_mono_ms < presence->look_at_ms)
        return 0;
    presence->look_at_ms = now_mono_ms + LOOK_EVERY_MS;
    presence->renames = watch->renames;
    if (presence_moved(presence, database, wal_path))
        return error_set(error, ERROR_DAMAGED,
                         "%s or its -wal file was moved, deleted or replaced while outhookd had it "
                         "open: put the right file back and start outhookd again",
                         database->path);
    if (presence_overwritten(presence, database, watch))
        return error_set(error, ERROR_DAMAGED,
                         "%s was written over by something else than SQLite while outhookd had it "
                         "open: put the right file there, delete its -wal and -shm files if it "
                         "comes from a backup, and start outhookd again",
                         database->path);
    return schema_watch_check(&presence->schema, database, now_mono_ms, error);
}

int64_t presence_due_at(const struct presence *presence, const struct watch *watch) {
    bool quiet = !presence->doubted && presence->writes == watch->database_writes &&
                 presence->renames == watch->renames;
    return quiet ? CLOCK_NEVER : presence->look_at_ms;
}
