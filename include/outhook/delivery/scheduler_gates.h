#ifndef OUTHOOK_DELIVERY_SCHEDULER_GATES_H
#define OUTHOOK_DELIVERY_SCHEDULER_GATES_H

/*
 * The part of the scheduler that tells people what holds endpoints up. Its thread.
 */

#include "outhook/delivery/gate.h"
#include "outhook/delivery/scheduler.h"

/* What has come to hold endpoints up, or does no longer, since the last call: at most `most` changes.
 * Meant to be called once a second: what is there at one look and gone at the next is not told. */
int scheduler_gates(struct scheduler *scheduler, struct gate_change *changes, int most,
                    struct now now);

/* Whether a call of scheduler_gates() may find something. */
bool scheduler_has_moved(const struct scheduler *scheduler);

#endif
