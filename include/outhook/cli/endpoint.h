#ifndef OUTHOOK_CLI_ENDPOINT_H
#define OUTHOOK_CLI_ENDPOINT_H

/*
 * The verbs of `outhook endpoint`, and what they have in common.
 */

#include "outhook/cli/verb.h"
#include "outhook/store/endpoint_report.h"

extern const struct verb verb_endpoint_add, verb_endpoint_list, verb_endpoint_show,
    verb_endpoint_set, verb_endpoint_enable, verb_endpoint_disable, verb_endpoint_remove,
    verb_endpoint_rotate_secret, verb_endpoint_test;

/* Opens the database and reads the endpoint that the first operand names; at most `operands` may be
 * given. After 0, both are closed and freed by endpoint_close(). */
int endpoint_open(const struct command *command, int operands, enum database_role role,
                  struct database *database, struct endpoint_record *record,
                  struct error *error) must_check;

void endpoint_close(struct database *database, struct endpoint_record *record);

/* A --secret as it was given, or the line that the standard input holds when that was "-", so that
 * no other user sees it among the processes. NULL for NULL. Freed with endpoint_secret_free(). */
int endpoint_secret_option(const char *option, char **secret, struct error *error) must_check;

/* Prints "secret     whsec_…" and what it is for. */
void endpoint_print_secret(const char *secret);

#endif
