#include "outhook/cli/endpoint.h"

#include "outhook/base/memory.h"
#include "outhook/store/endpoint_admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SECRET_LINE_BYTES = 1024 };

int endpoint_open(const struct command *command, int operands, enum database_role role,
                  struct database *database, struct endpoint_record *record, struct error *error) {
    if (!command->argc)
        return error_set(error, ERROR_USAGE,
                         "which endpoint? Give its name: outhook endpoint list shows them all");
    int r = command_operands(command, operands, error);
    if (!r)
        r = command_open(command, database, role, error);
    if (r)
        return r;
    r = endpoint_record_read(database, command->argv[0], false, record, error);
    if (r)
        database_close(database);
    return r;
}

void endpoint_close(struct database *database, struct endpoint_record *record) {
    endpoint_record_free(record);
    database_close(database);
}

int endpoint_secret_option(const char *option, char **secret, struct error *error) {
    *secret = NULL;
    if (!option || strcmp(option, "-") != 0) {
        *secret = memory_copy_string(option);
        return 0;
    }
    char line[SECRET_LINE_BYTES];
    if (!fgets(line, sizeof line, stdin))
        return error_set(error, ERROR_FAILED, "--secret -: the standard input holds no secret");
    line[strcspn(line, "\r\n")] = '\0';
    *secret = memory_copy_string(line);
    explicit_bzero(line, sizeof line);
    return 0;
}

void endpoint_print_secret(const char *secret) {
    printf("%-12s%s\n", "secret", secret);
}

static const struct verb *const endpoint_verbs[] = {
    &verb_endpoint_add,    &verb_endpoint_list,
    &verb_endpoint_show,   &verb_endpoint_set,
    &verb_endpoint_enable, &verb_endpoint_disable,
    &verb_endpoint_remove, &verb_endpoint_rotate_secret,
    &verb_endpoint_test,   NULL,
};

const struct verb verb_endpoint = {
    .name = "endpoint",
    .operands = "VERB",
    .summary = "add, change, list, try out and remove endpoints",
    .description = "All of it is plain SQL on the tables endpoints, endpoint_secrets and\n"
                   "subscriptions, which may be written by other means as well. A running daemon\n"
                   "notices at once; calls under way end with the settings they began with.",
    .verbs = endpoint_verbs,
};
