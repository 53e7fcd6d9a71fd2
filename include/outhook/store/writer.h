#ifndef OUTHOOK_STORE_WRITER_H
#define OUTHOOK_STORE_WRITER_H

/*
 * Writes what became of deliveries: for each call one update of its row and one attempt, for many
 * calls one short transaction, in the order of the rows' ids so that neighbours share a page.
 *
 * A transaction either commits as a whole, or leaves no trace and can be tried again. One thread:
 * the store's.
 */

#include "outhook/base/error.h"
#include "outhook/delivery/outcome.h"

#include <stdbool.h>
#include <stdint.h>

struct database;
struct gate_change;
struct sqlite3_stmt;

enum { WRITE_LINGER_MAX_MS = 400 };

enum write_fate { WRITE_DELIVERED, WRITE_AGAIN, WRITE_FAILED, WRITE_EXPIRED };

/* One delivery's end of a call, or its expiry without one. */
struct write {
    int64_t delivery_id, endpoint_id;
    enum write_fate fate;
    int64_t due_at;         /* wall ms of the next attempt; WRITE_AGAIN only */
    int64_t retry_at;       /* that, where due_at keeps the row's place in line; else 0 */
    int64_t finished_at;    /* wall ms of the end; the others */
    bool attempted;         /* there was a call: `outcome` tells of it */
    int number;             /* of that attempt; a replay doesn't begin anew */
    bool disable_endpoint;  /* it is gone, or has failed for too long: disable it, too */
    int64_t failing_since;  /* wall ms: since then it fails; 0: nothing new */
    bool failing_ended;     /* or ended */
    bool urgent;            /* it is waited for; otherwise it may take WRITE_LINGER_MAX_MS */
    struct outcome outcome; /* owned */

    /* What the transaction found: a person had cancelled the delivery meanwhile, so only the
     * attempt was written; or had deleted it, then nothing was. */
    bool settled;
};

struct writer {
    struct database *database;
    struct sqlite3_stmt *again, *finish, *cancelled, *expire, *attempt, *pending, *disable, *gate,
        *no_gate, *failing, *warm;
};

int writer_open(struct writer *writer, struct database *database, struct error *error) must_check;

void writer_close(struct writer *writer);

/* Reads the pages that writer_commit() will change, so that it need not read them while it holds the
 * write lock. Best effort. Between queue_begin() and queue_end() it takes least. */
void writer_warm(struct writer *writer, struct write *const *writes, int count);

/* Writes all of them in one transaction. ERROR_BUSY when
 * another process holds the write lock, ERROR_FULL when there is no space: nothing was written
 * then, and the call may be repeated. */
int writer_commit(struct writer *writer, struct write *const *writes, int count,
                  struct error *error) must_check;

/* Empties what writer_gates() has written, by a daemon that was killed, and writes even when there
 * is nothing: that shows that outcomes can be written. Errors as writer_commit(). */
int writer_prove(struct writer *writer, struct error *error) must_check;

/* Writes the limits that triggers hold producers to, if they differ. Errors as writer_commit(). */
int writer_limits(struct writer *writer, int64_t max_pending, int64_t max_payload_bytes,
                  struct error *error) must_check;

/* Writes what holds endpoints up, or that nothing does. Errors as writer_commit(). */
int writer_gates(struct writer *writer, const struct gate_change *changes, int count,
                 int64_t now_wall_ms, struct error *error) must_check;

/* Empties what writer_gates() has written, if there is anything.
 * A lock or a full disk is no error: it is only for people to see, and stays as it is then. */
int writer_clear_gates(struct writer *writer, struct error *error) must_check;

#endif
