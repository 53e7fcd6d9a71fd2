#ifndef OUTHOOK_CLI_RECEIVER_H
#define OUTHOOK_CLI_RECEIVER_H

/*
 * A small receiver of webhooks, for `outhook listen`: an HTTP server that shows what it gets, and
 * may misbehave as the receivers out there do. All of it runs in the caller's thread, so a call
 * that hangs or is slow to be answered costs nobody anything, and ends at once with the receiver.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct receiver;

/* How it answers. */
struct receiver_manners {
    int status;             /* of the answers */
    int64_t delay_ms;       /* before each */
    int64_t fail_first;     /* so many attempts of each webhook-id get 500 */
    int64_t retry_after_s;  /* the Retry-After of answers that aren't 2xx; -1: none */
    bool hang;              /* no answer at all */
    size_t body_bytes_kept; /* of each request's body, to show */
};

struct receiver_header {
    char *name, *value;
};

/* One request, complete. */
struct receiver_request {
    int64_t received_at; /* ms since 1970 */
    char *method, *path; /* the path as sent, with its query */
    struct receiver_header *headers;
    size_t header_count;
    char *body; /* the part that is kept */
    size_t body_kept;
    int64_t body_bytes; /* of the whole */
    int status;         /* that it is answered with; 0: it hangs */
};

/* The value of a header, in any case of letters, or NULL. */
const char *receiver_header(const struct receiver_request *request, const char *name);

/* Is shown each request, in the receiver's thread, when it is complete and before it is answered.
 */
typedef void receiver_show(const struct receiver_request *request, void *context);

/* Listens on a numeric address and a port (0: any free one). Freed with receiver_free(). */
int receiver_new(struct receiver **receiver, const char *address, int port,
                 const struct receiver_manners *manners, receiver_show *show, void *context,
                 struct error *error) must_check;

/* Where it listens: "http://127.0.0.1:8080/". */
const char *receiver_url(const struct receiver *receiver);

/* Serves until `stop_fd` becomes readable. */
int receiver_run(struct receiver *receiver, int stop_fd, struct error *error) must_check;

/* Ends every call, answered or not, and frees the receiver; NULL is fine. */
void receiver_free(struct receiver *receiver);

#endif
