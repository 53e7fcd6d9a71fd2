#ifndef OUTHOOK_STORE_ANNOUNCEMENT_H
#define OUTHOOK_STORE_ANNOUNCEMENT_H

/*
 * What the log says when the daemon has opened its database: on which SQLite it is served, and
 * whether it was migrated.
 */

struct database;

void announcement_log(const struct database *database);

#endif
