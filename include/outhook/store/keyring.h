#ifndef OUTHOOK_STORE_KEYRING_H
#define OUTHOOK_STORE_KEYRING_H

/*
 * Where the keys come from that seal endpoint secrets: the file that secret_key_file names, else
 * the service manager's credential secret_key ($CREDENTIALS_DIRECTORY, systemd.exec(5)), else
 * nowhere.
 *
 * A key that those who may read the database can read, too, is none: a file that anybody but its
 * owner may read is refused. A credential is the service manager's to guard: there only what all
 * may read is.
 */

#include "outhook/base/error.h"
#include "outhook/delivery/seal.h"

/* Reads the keys. `path` is the setting, "" for none; keys->count is 0 when there is no key at all.
 * ERROR_USAGE says what is wrong with a file that was named. Wiped with seal_keys_wipe(). */
int keyring_load(const char *path, struct seal_keys *keys, struct error *error) must_check;

#endif
