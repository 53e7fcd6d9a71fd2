#ifndef OUTHOOK_HTTP_REHEARSAL_H
#define OUTHOOK_HTTP_REHEARSAL_H

/*
 * A call that is set up and never made: it has a worker go through what a call takes, so that the
 * next one, which may be about to come, finds all of that at hand. It has a payload, headers and a
 * secret to sign with, as calls usually have.
 *
 * A worker's, and on its thread only.
 */

struct http_call;

struct rehearsal;

struct rehearsal *rehearsal_new(void);

/* NULL is fine. */
void rehearsal_free(struct rehearsal *rehearsal);

/* The call, as if it came just now; lent until it is asked for again. */
struct http_call *rehearsal_call(struct rehearsal *rehearsal);

#endif
