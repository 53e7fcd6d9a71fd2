#ifndef OUTHOOK_SERVICE_NOTIFY_H
#define OUTHOOK_SERVICE_NOTIFY_H

/*
 * What the service manager is told (sd_notify(3)). All of it is silence when systemd did not start
 * us.
 */

#include <stdint.h>

/* The database is open and the lanes are loaded. Also after a reload. */
void notify_ready(void);

/* A reload begins. */
void notify_reloading(void);

/* The stop begins; it may take up to `drain_ms`. */
void notify_stopping(int64_t drain_ms);

/* The line that `systemctl status` shows. */
void notify_status(const char *text);

/* The period in ms at which notify_alive() has to come; 0 when nobody watches. */
int64_t notify_watchdog_ms(void);

/* All threads are alive and well. */
void notify_alive(void);

#endif
