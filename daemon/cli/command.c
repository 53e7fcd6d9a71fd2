#include "outhook/base/memory.h"
#include "outhook/cli/verb.h"
#include "outhook/runtime/config.h"
#include "outhook/store/keyring.h"

#include <stdlib.h>

static int command_configured(const struct command *command, char **path, struct error *error) {
    struct config config;
    struct error why = {0};
    int r = config_load(&config, command->config, NULL, 0, &why);
    if (r)
        return error_set(error, r, "%.500s; or name the database by --database", why.text);
    *path = memory_copy_string(config.database);
    config_free(&config);
    return 0;
}

int command_path(const struct command *command, char **path, struct error *error) {
    const char *environment = getenv("OUTHOOK_DATABASE");
    int r = 0;
    *path = NULL;
    if (command->database)
        *path = memory_copy_string(command->database);
    else if (environment && *environment)
        *path = memory_copy_string(environment);
    else
        r = command_configured(command, path, error);
    if (!r && !**path)
        r = error_set(error, ERROR_USAGE, "--database needs the path of a file");
    return r;
}

int command_open(const struct command *command, struct database *database, enum database_role role,
                 struct error *error) {
    char *path;
    int r = command_path(command, &path, error);
    if (!r)
        r = database_open(database, path, role, 0, error);
    free(path);
    return r;
}

void command_keys(const struct command *command, const char *file, struct seal_keys *keys,
                  struct error *why) {
    struct config config;
    *keys = (struct seal_keys){0};
    if (file) {
        (void)!keyring_load(file, keys, why);
        return;
    }
    if (config_load(&config, command->config, NULL, 0, why))
        return;
    if (!keyring_load(config.secret_key_file, keys, why) && !keys->count)
        error_set(why, ERROR_FAILED,
                  "the configuration names no secret_key_file: name the key's file by --key-file");
    config_free(&config);
}

int command_operands(const struct command *command, int most, struct error *error) {
    if (command->argc <= most)
        return 0;
    return error_set(error, ERROR_USAGE, "%.200s is one argument too many: see --help",
                     command->argv[most]);
}
