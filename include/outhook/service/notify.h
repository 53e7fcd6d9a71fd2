#ifndef OUTHOOK_SERVICE_NOTIFY_H
#define OUTHOOK_SERVICE_NOTIFY_H

/*
 * What the service manager is told (sd_notify(3)). All of it is silence when systemd did not start
 * us. The loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct dispatcher_counts;
struct setback;

/* Whether anybody listens. */
bool notify_is_heard(void);

/* The database is open and the lanes are loaded. Also after a reload. */
void notify_ready(void);

/* A reload begins. */
void notify_reloading(void);

/* The stop begins. */
void notify_stopping(void);

/* A start or a stop is alive and takes longer: it has half a minute more from now on. To be
 * repeated for as long as that is true. */
void notify_patience(void);

/* The line that `systemctl status` shows while it waits, for `left_ms` more, after failures. */
void notify_status_waiting(const struct setback *setback, int64_t left_ms);

/* The same while the database is opened and its lanes are loaded. */
void notify_status_starting(void);

/* The same while it runs. `per_second`: deliveries that arrived in the last second. */
void notify_status_running(const struct dispatcher_counts *counts, uint64_t per_second,
                           int64_t now_wall_ms);

/* The same while it drains, for up to `left_ms`. */
void notify_status_draining(const struct dispatcher_counts *counts, int64_t left_ms);

/* The period in ms at which notify_alive() has to come, if all is alive; 0 when nobody watches. */
int64_t notify_watchdog_ms(void);

/* All threads are alive and well. */
void notify_alive(void);

#endif
