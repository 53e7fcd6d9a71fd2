#ifndef OUTHOOK_RUNTIME_RESOURCE_H
#define OUTHOOK_RUNTIME_RESOURCE_H

/*
 * What the system gives a process while it starts, and without which there is no daemon: memory for
 * libuv, descriptors for its loops. Missing, it ends the process before anything has been done.
 */

struct uv_loop_s;

/* Has libuv take its memory from memory.h, so that the end comes with a sentence where there is
 * none. Before anything else of libuv. */
void resource_set_allocator(void);

/* Ends as resource_check() does when there are too few descriptors for libuv, which would abort.
 * Before the first loop. */
void resource_check_descriptors(void);

/* Starts the thread in which libuv does what may block, at the first use of which it would abort if
 * it got none. Ends as resource_check() does when there are none to be had. */
void resource_start_pool(struct uv_loop_s *loop);

/* Nothing when `code` is 0; else (a negative errno, as libuv returns it) prints that `what` can't
 * be made, why, and what to do, and exits with 1. While the program starts only. */
void resource_check(int code, const char *what);

#endif
