#include "outhook/store/permission.h"

#include "outhook/base/memory.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PERMISSION_GROUPS_MAX = 256 };

/* What stands in the way: a file, or a directory on the way to it. */
struct barrier {
    char *path;
    struct stat status;
    bool group_may; /* whether its mode lets its group in */
};

/* Cuts the last part off a path: "/var/lib/x" becomes "/var/lib", "x" becomes ".". */
static void path_shorten(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(path, strlen(path) + 1, ".");
    else if (slash == path)
        path[1] = '\0';
    else
        *slash = '\0';
}

/* The nearest part of the path that can be seen: when that isn't the file itself, it is a directory
 * that doesn't let us in, or lets us make no file. */
static bool barrier_find(const char *path, struct barrier *barrier) {
    *barrier = (struct barrier){.path = memory_copy_string(path)};
    bool whole = true;
    while (stat(barrier->path, &barrier->status) < 0) {
        if ((errno != EACCES && errno != ENOENT) || !strcmp(barrier->path, ".") ||
            !strcmp(barrier->path, "/"))
            return false;
        path_shorten(barrier->path);
        whole = false;
    }
    mode_t needed =
        whole && S_ISREG(barrier->status.st_mode) ? S_IRGRP | S_IWGRP : S_IWGRP | S_IXGRP;
    barrier->group_may = (barrier->status.st_mode & needed) == needed;
    return true;
}

static bool process_is_in(gid_t group) {
    gid_t groups[PERMISSION_GROUPS_MAX];
    int count = getgroups(PERMISSION_GROUPS_MAX, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return getegid() == group;
}

/* Whether the list of users says so, which counts from the next login on. */
static bool user_is_in(const struct passwd *user, gid_t group) {
    gid_t groups[PERMISSION_GROUPS_MAX];
    int count = PERMISSION_GROUPS_MAX;
    if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
        return false;
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

static int barrier_refuse(const struct barrier *barrier, const char *path, struct error *error) {
    const struct passwd *owner = getpwuid(barrier->status.st_uid);
    char owner_name[64];
    snprintf(owner_name, sizeof owner_name, "%s", owner ? owner->pw_name : "that owns it");
    const struct group *group = getgrgid(barrier->status.st_gid);
    const struct passwd *user = getpwuid(geteuid());
    /* root's group, in which a database is that root made by hand, is none to join. */
    if (!group || !user || !barrier->group_may || !barrier->status.st_gid ||
        process_is_in(barrier->status.st_gid))
        return error_set(error, ERROR_FAILED,
                         "no permission to use %s: only the user %s may use %s; run this as that "
                         "user, or as root",
                         path, owner_name, barrier->path);
    if (user_is_in(user, barrier->status.st_gid))
        return error_set(error, ERROR_FAILED,
                         "no permission to use %s yet: you have joined the group %s, which may, "
                         "since you logged in; log in again",
                         path, group->gr_name);
    return error_set(error, ERROR_FAILED,
                     "no permission to use %s: you are not in the group %s, which may; as root: "
                     "adduser %s %s, then log in again",
                     path, group->gr_name, user->pw_name, group->gr_name);
}

int permission_refuse(const char *path, struct error *error) {
    struct barrier barrier;
    int r = barrier_find(path, &barrier)
                ? barrier_refuse(&barrier, path, error)
                : error_set(error, ERROR_FAILED, "no permission to use %s", path);
    free(barrier.path);
    return r;
}
