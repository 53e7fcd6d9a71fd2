#include "outhook/store/keyring.h"

#include "outhook/base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FILE_BYTES_MAX = 4096 };

/* Who but its owner may not be able to read it. The service manager lets the service's user read a
 * credential by an access control list where it can (write_credential() of systemd's
 * exec-credential.c), whose mask stands where else the group's bits do: of these nothing follows.
 */
enum { FILE_IS_OURS = S_IRGRP | S_IROTH, FILE_IS_CREDENTIAL = S_IROTH };

static int keyring_refuse_mode(const char *path, struct error *error) {
    return error_set(
        error, ERROR_USAGE,
        "secret_key_file: %.300s may be read by others than its owner: chmod 600 %.200s", path,
        path);
}

/* Reads a small file into a text. */
static int keyring_read_text(const char *path, mode_t forbidden, char text[KEY_FILE_BYTES_MAX + 1],
                             struct error *error) {
    struct stat status;
    ssize_t length = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not waiting for who writes a FIFO */
    if (fd < 0)
        return error_set(error, ERROR_USAGE, "secret_key_file: can't open %.400s: %s", path,
                         strerror(errno));
    if (fstat(fd, &status) == 0 &&
        (!S_ISREG(status.st_mode) || status.st_size > KEY_FILE_BYTES_MAX)) {
        close(fd);
        return error_set(
            error, ERROR_USAGE,
            "secret_key_file: %.400s is not a file of at most %d bytes: it holds a line of "
            "base64 for each key",
            path, KEY_FILE_BYTES_MAX);
    }
    if (fstat(fd, &status) < 0 || (length = read(fd, text, KEY_FILE_BYTES_MAX)) < 0) {
        int r = error_set(error, ERROR_USAGE, "secret_key_file: can't read %.400s: %s", path,
                          strerror(errno));
        close(fd);
        return r;
    }
    close(fd);
    text[length] = '\0';
    return status.st_mode & forbidden ? keyring_refuse_mode(path, error) : 0;
}

static int keyring_read(const char *path, mode_t forbidden, struct seal_keys *keys,
                        struct error *error) {
    char text[KEY_FILE_BYTES_MAX + 1];
    struct error why = {0};
    int r = keyring_read_text(path, forbidden, text, error);
    if (!r && seal_keys_parse(text, keys, &why))
        r = error_set(error, ERROR_USAGE, "secret_key_file: %.200s: %s", path, why.text);
    explicit_bzero(text, sizeof text);
    return r;
}

int keyring_load(const char *path, struct seal_keys *keys, struct error *error) {
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *credential = NULL;
    int r = 0;
    *keys = (struct seal_keys){0};
    if (*path)
        return keyring_read(path, FILE_IS_OURS, keys, error);
    if (!directory)
        return 0;
    credential = memory_print("%s/secret_key", directory);
    if (access(credential, F_OK) == 0)
        r = keyring_read(credential, FILE_IS_CREDENTIAL, keys, error);
    free(credential);
    return r;
}
