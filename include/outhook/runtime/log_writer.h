#ifndef OUTHOOK_RUNTIME_LOG_WRITER_H
#define OUTHOOK_RUNTIME_LOG_WRITER_H

/*
 * A thread that writes what others log, so that none of them ever waits for whoever reads it: a
 * pipe that nobody empties, a terminal that was stopped, a journal that hangs. What waits is
 * bounded. When that is too much, lines are left out until half of it has been written; how many is
 * then said in one line. There is one writer in a process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is to be written at once, in whatever form its writer understands. */
struct log_record {
    struct log_record *next; /* the writer's */
    size_t bytes;
    char text[];
};

struct log_writer_ops {
    void (*write)(const char *text, size_t bytes);   /* the writer's thread; may wait */
    struct log_record *(*tell_lost)(uint64_t count); /* makes the line about lines left out */
};

/* A record with room for `bytes`. Handed to log_writer_send(), or freed with free(). */
struct log_record *log_record_new(size_t bytes);

/* Starts the thread; `ops` must live until the end. When there can be none, records are written by
 * whoever sends them. */
void log_writer_start(const struct log_writer_ops *ops);

/* Takes over a record, to be written in its turn. Never waits for the reader. Any thread. */
void log_writer_send(struct log_record *record);

/* Lets what waits be written, for at most `most_ms`, and ends the thread. Returns whether all of it
 * was: if not, somebody still holds it up, and nothing more should be written there. What comes
 * later is written by whoever sends it, or dropped if it is held up. Once, when the other threads
 * have ended. */
bool log_writer_stop(int64_t most_ms);

#endif
