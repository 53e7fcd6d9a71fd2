#include "outhook/service/supervisor.h"

#include "outhook/base/clock.h"
#include "outhook/base/duration.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/signature.h"
#include "outhook/runtime/log.h"
#include "outhook/runtime/resource.h"
#include "outhook/runtime/task_group.h"
#include "outhook/service/dispatcher.h"
#include "outhook/service/notify.h"
#include "outhook/service/pulse.h"
#include "outhook/store/keyring.h"
#include "outhook/store/lock.h"
#include "outhook/store/setback.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { STATUS_EVERY_MS = 1000, AGES_EVERY_MS = 5000 };

enum stage { STAGE_WAITING, STAGE_STARTING, STAGE_RUNNING, STAGE_DRAINING, STAGE_STOPPED };

struct supervisor {
    struct config *config;
    const struct supervisor_options *options;
    enum stage stage;
    uv_loop_t loop;
    uv_signal_t terminate, interrupt, hang_up;
    uv_timer_t drain_timer, status_timer, watchdog_timer, setback_timer;
    uv_check_t check;
    uv_async_t group_changed;
    struct task_group *group;
    struct dispatcher *dispatcher;
    struct store_lock lock;
    struct pulse pulse;
    struct setback setback;
    int64_t wait_until_ms;         /* mono, while it waits */
    struct dispatcher_counts told; /* with the status, the last time */
    uint64_t told_at_ms;           /* on the loop's clock */
    int64_t drain_until_ms;        /* mono */
    bool opened, secrets_are_plain;
    struct error *error;
    int result;
};

static void supervisor_for_each_handle(struct supervisor *supervisor,
                                       void (*act)(uv_handle_t *handle)) {
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&supervisor->terminate,     (uv_handle_t *)&supervisor->interrupt,
        (uv_handle_t *)&supervisor->hang_up,       (uv_handle_t *)&supervisor->drain_timer,
        (uv_handle_t *)&supervisor->status_timer,  (uv_handle_t *)&supervisor->watchdog_timer,
        (uv_handle_t *)&supervisor->group_changed, (uv_handle_t *)&supervisor->setback_timer,
        (uv_handle_t *)&supervisor->check,
    };
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        act(handles[i]);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle) {
    uv_close(handle, NULL);
}

static void supervisor_stop_workers(struct supervisor *supervisor) {
    for (int i = (int)supervisor->config->workers; i >= 1; i--) {
        char name[32];
        snprintf(name, sizeof name, "worker%d", i);
        task_group_stop_one(supervisor->group, name);
    }
}

/* With its handle, a signal's default comes back, which would be a death on the last few steps. */
static void supervisor_block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* The end, in order: workers, then what they gave back, then the store. The loop ends after that.
 */
static void supervisor_stop(struct supervisor *supervisor) {
    if (supervisor->stage == STAGE_STOPPED)
        return;
    supervisor->stage = STAGE_STOPPED;
    notify_patience();
    supervisor_stop_workers(supervisor);
    dispatcher_collect(supervisor->dispatcher);
    /* This thread waits for the store now and serves no signal, so the store may not wait for long.
     */
    dispatcher_hurry(supervisor->dispatcher);
    task_group_stop(supervisor->group);
    if (task_group_state(supervisor->group) == TASK_GROUP_FAILED) {
        task_group_error(supervisor->group, supervisor->error);
        supervisor->result = supervisor->error->kind;
        setback_fail(&supervisor->setback, supervisor->error, clock_now().wall_ms,
                     supervisor->lock.fd);
    } else {
        setback_end(&supervisor->setback, supervisor->lock.fd);
    }
    dispatcher_close(supervisor->dispatcher);
    supervisor_block_signals();
    supervisor_for_each_handle(supervisor, close_handle);
}

static void supervisor_on_drained(void *context) {
    supervisor_stop(context);
}

static void supervisor_on_drain_timeout(uv_timer_t *timer) {
    struct supervisor *supervisor = timer->data;
    struct dispatcher_counts counts = dispatcher_counts(supervisor->dispatcher);
    log_event(
        LOG_DRAIN_CUT_SHORT,
        "drain_timeout is over: %d calls under way are given up (they stay pending and are not "
        "charged an attempt), %d outcomes are not yet written",
        counts.in_flight, counts.unwritten);
    supervisor_stop(supervisor);
}

static void supervisor_drain(struct supervisor *supervisor) {
    struct dispatcher_counts counts = dispatcher_counts(supervisor->dispatcher);
    char wait[DURATION_TEXT_BYTES];
    supervisor->stage = STAGE_DRAINING;
    supervisor->drain_until_ms = clock_now().mono_ms + supervisor->config->drain_timeout;
    notify_stopping();
    log_line(LEVEL_INFO, "stopping: %d calls under way have up to %s to end", counts.in_flight,
             duration_format(supervisor->config->drain_timeout, wait));
    uv_timer_start(&supervisor->drain_timer, supervisor_on_drain_timeout,
                   (uint64_t)supervisor->config->drain_timeout, 0);
    dispatcher_drain(supervisor->dispatcher);
}

static void supervisor_on_stop_signal(uv_signal_t *signal, int number) {
    struct supervisor *supervisor = signal->data;
    (void)number;
    if (supervisor->stage == STAGE_WAITING) {
        notify_stopping();
        supervisor_stop(supervisor);
    } else if (supervisor->stage == STAGE_STARTING || supervisor->stage == STAGE_RUNNING) {
        supervisor_drain(supervisor);
    } else if (supervisor->stage == STAGE_DRAINING) {
        log_event(LOG_DRAIN_CUT_SHORT,
                  "a second signal: stopping at once; what was under way stays pending");
        supervisor_stop(supervisor);
    }
}

/* ---- reloading ------------------------------------------------------------------------------- */

static void log_kept(const char *name, void *context) {
    (void)context;
    log_line(LEVEL_WARNING,
             "%s has changed in the configuration: that takes effect at the next start", name);
}

static int supervisor_reload(struct supervisor *supervisor, struct error *error) {
    struct config fresh;
    struct http_policy *policy = NULL;
    struct seal_keys keys = {0};
    int r = config_load(&fresh, supervisor->options->config_path, supervisor->options->overrides,
                        supervisor->options->override_count, error);
    if (r)
        return r;
    r = dispatcher_http_policy(&fresh, &policy, error);
    if (!r && (r = keyring_load(fresh.secret_key_file, &keys, error)))
        http_policy_unref(policy);
    if (r) {
        config_free(&fresh);
        return r;
    }
    config_reload(supervisor->config, &fresh, log_kept, NULL);
    log_set_level((enum log_level)supervisor->config->log_level);
    dispatcher_reload(supervisor->dispatcher, policy, &keys);
    seal_keys_wipe(&keys);
    return 0;
}

static void supervisor_on_reload_signal(uv_signal_t *signal, int number) {
    struct supervisor *supervisor = signal->data;
    struct error error = {0};
    (void)number;
    if (supervisor->stage != STAGE_RUNNING)
        return;
    notify_reloading();
    if (supervisor_reload(supervisor, &error))
        log_event(LOG_RELOAD_REFUSED,
                  "the configuration was not reloaded and nothing has changed: %s", error.text);
    else
        log_event(LOG_RELOADED, "the configuration was reloaded");
    notify_ready();
}

/* ---- watching -------------------------------------------------------------------------------- */

/* A start and a stop may take as long as they need while they get on; then systemd waits for them,
 * and its watchdog does not watch. */
static void supervisor_tell_status(struct supervisor *supervisor,
                                   const struct dispatcher_counts *counts) {
    struct now now = clock_now();
    if (supervisor->stage == STAGE_RUNNING)
        notify_status_running(counts, counts->delivered - supervisor->told.delivered, now.wall_ms);
    else if (supervisor->stage == STAGE_DRAINING)
        notify_status_draining(counts, supervisor->drain_until_ms - now.mono_ms);
    else if (supervisor->stage == STAGE_WAITING)
        notify_status_waiting(&supervisor->setback, supervisor->wait_until_ms - now.mono_ms);
    else
        notify_status_starting();
    if (supervisor->stage == STAGE_WAITING ||
        (supervisor->stage != STAGE_RUNNING && dispatcher_alive(supervisor->dispatcher)))
        notify_patience();
    pulse_tell(&supervisor->pulse, counts->in_flight);
}

static bool counts_same(const struct dispatcher_counts *a, const struct dispatcher_counts *b) {
    return a->delivered == b->delivered && a->not_delivered == b->not_delivered &&
           a->in_flight == b->in_flight && a->unwritten == b->unwritten &&
           a->pending == b->pending && a->oldest_at == b->oldest_at;
}

/* The status is told a second later again, where only its ages change less often, and where nothing
 * does when the loop wakes for something else: a daemon that has nothing to do should sleep. */
static void supervisor_on_status(uv_timer_t *timer) {
    struct supervisor *supervisor = timer->data;
    struct dispatcher_counts counts = dispatcher_counts(supervisor->dispatcher);
    bool rests = supervisor->stage == STAGE_RUNNING && counts_same(&counts, &supervisor->told);
    supervisor_tell_status(supervisor, &counts);
    supervisor->told = counts;
    supervisor->told_at_ms = uv_now(&supervisor->loop);
    if (!rests || counts.oldest_at)
        uv_timer_start(timer, supervisor_on_status, rests ? AGES_EVERY_MS : STATUS_EVERY_MS, 0);
}

/* At each turn of the loop. */
static void supervisor_on_check(uv_check_t *check) {
    struct supervisor *supervisor = check->data;
    uv_timer_t *timer = &supervisor->status_timer;
    uint64_t due_at_ms = supervisor->told_at_ms + STATUS_EVERY_MS, now_ms = uv_now(timer->loop);
    uint64_t left_ms = due_at_ms > now_ms ? due_at_ms - now_ms : 0;
    if (uv_timer_get_due_in(timer) > left_ms || !uv_is_active((uv_handle_t *)timer))
        uv_timer_start(timer, supervisor_on_status, left_ms, 0);
}

static void supervisor_on_watchdog(uv_timer_t *timer) {
    struct supervisor *supervisor = timer->data;
    if (supervisor->stage == STAGE_RUNNING && dispatcher_alive(supervisor->dispatcher))
        notify_alive();
}

/* ---- starting -------------------------------------------------------------------------------- */

static void supervisor_on_well(uv_timer_t *timer) {
    struct supervisor *supervisor = timer->data;
    char well[DURATION_TEXT_BYTES];
    log_line(LEVEL_INFO, "it has run for %s without a failure: the last one is forgotten",
             duration_format(SETBACK_WELL_MS, well));
    setback_end(&supervisor->setback, supervisor->lock.fd);
}

static void supervisor_check_ready(struct supervisor *supervisor) {
    if (supervisor->stage != STAGE_STARTING || !supervisor->opened ||
        task_group_state(supervisor->group) != TASK_GROUP_RUNNING)
        return;
    supervisor->stage = STAGE_RUNNING;
    if (supervisor->secrets_are_plain)
        log_line(LEVEL_WARNING,
                 "there is no secret_key_file: the secrets of endpoints can be read by whoever may "
                 "read %s, such as the members of its group",
                 supervisor->config->database);
    log_event(LOG_STARTED, "ready: outhookd " OUTHOOK_VERSION ", %" PRId64 " workers",
              supervisor->config->workers);
    notify_ready();
    if (supervisor->setback.failures)
        uv_timer_start(&supervisor->setback_timer, supervisor_on_well, SETBACK_WELL_MS, 0);
}

static void supervisor_on_opened(void *context) {
    struct supervisor *supervisor = context;
    supervisor->opened = true;
    supervisor_check_ready(supervisor);
}

static void supervisor_on_group_changed(uv_async_t *async) {
    struct supervisor *supervisor = async->data;
    if (task_group_state(supervisor->group) == TASK_GROUP_FAILED)
        supervisor_stop(supervisor);
    else
        supervisor_check_ready(supervisor);
}

static void supervisor_wake(void *context) {
    struct supervisor *supervisor = context;
    uv_async_send(&supervisor->group_changed);
}

static void supervisor_init_handles(struct supervisor *supervisor) {
    uv_loop_t *loop = &supervisor->loop;
    resource_check_descriptors();
    resource_check(uv_loop_init(loop), "the main loop");
    resource_start_pool(loop);
    resource_check(uv_signal_init(loop, &supervisor->terminate), "what takes signals");
    uv_signal_init(loop, &supervisor->interrupt);
    uv_signal_init(loop, &supervisor->hang_up);
    uv_timer_init(loop, &supervisor->drain_timer);
    uv_timer_init(loop, &supervisor->status_timer);
    uv_timer_init(loop, &supervisor->watchdog_timer);
    uv_timer_init(loop, &supervisor->setback_timer);
    uv_check_init(loop, &supervisor->check);
    resource_check(uv_async_init(loop, &supervisor->group_changed, supervisor_on_group_changed),
                   "the main loop's wake-up");
    supervisor->terminate.data = supervisor->interrupt.data = supervisor->hang_up.data = supervisor;
    supervisor->drain_timer.data = supervisor->status_timer.data = supervisor;
    supervisor->watchdog_timer.data = supervisor->group_changed.data = supervisor;
    supervisor->setback_timer.data = supervisor->check.data = supervisor;
}

static void supervisor_start_handles(struct supervisor *supervisor) {
    uint64_t watchdog_ms = (uint64_t)notify_watchdog_ms();
    uv_signal_start(&supervisor->terminate, supervisor_on_stop_signal, SIGTERM);
    uv_signal_start(&supervisor->interrupt, supervisor_on_stop_signal, SIGINT);
    uv_signal_start(&supervisor->hang_up, supervisor_on_reload_signal, SIGHUP);
    uv_timer_start(&supervisor->status_timer, supervisor_on_status, 0, 0);
    uv_check_start(&supervisor->check, supervisor_on_check);
    if (watchdog_ms)
        uv_timer_start(&supervisor->watchdog_timer, supervisor_on_watchdog, watchdog_ms,
                       watchdog_ms);
}

/* A thread that can't be started fails the group, which the loop then learns like any failure. */
static void supervisor_start_tasks(struct supervisor *supervisor) {
    supervisor->stage = STAGE_STARTING;
    if (task_group_start(supervisor->group, supervisor->error))
        uv_async_send(&supervisor->group_changed);
}

static void supervisor_on_waited(uv_timer_t *timer) {
    supervisor_start_tasks(timer->data);
}

/* Here rather than by exit and start, which would be so many lines, and a little work each time. */
static void supervisor_wait(struct supervisor *supervisor, int64_t wait_ms) {
    char wait[DURATION_TEXT_BYTES];
    supervisor->stage = STAGE_WAITING;
    supervisor->wait_until_ms = clock_now().mono_ms + wait_ms;
    log_event(LOG_START_PUT_OFF,
              "it has failed %" PRId64 " times in a row, the last time as follows, and waits %s "
              "before it works again: %s; when that is mended, restart it now to go on at once",
              supervisor->setback.failures, duration_format((wait_ms + 999) / 1000 * 1000, wait),
              supervisor->setback.error.text);
    uv_timer_start(&supervisor->setback_timer, supervisor_on_waited, (uint64_t)wait_ms, 0);
}

static void supervisor_start(struct supervisor *supervisor, struct http_policy *policy,
                             const struct seal_keys *keys) {
    const struct dispatcher_events events = {
        .opened = supervisor_on_opened,
        .drained = supervisor_on_drained,
        .context = supervisor,
    };
    supervisor_init_handles(supervisor);
    pulse_init(&supervisor->pulse, &supervisor->loop, supervisor->lock.fd);
    supervisor->group = task_group_new(supervisor_wake, supervisor);
    supervisor->dispatcher = dispatcher_new(&supervisor->loop, supervisor->group,
                                            supervisor->config, policy, keys, &events);
    supervisor_start_handles(supervisor);
    setback_read(&supervisor->setback, supervisor->lock.fd);
    int64_t wait_ms = setback_wait_ms(&supervisor->setback, clock_now().wall_ms);
    if (wait_ms)
        supervisor_wait(supervisor, wait_ms);
    else
        supervisor_start_tasks(supervisor);
}

int supervisor_run(struct config *config, const struct supervisor_options *options,
                   struct error *error) {
    struct supervisor supervisor = {.config = config, .options = options, .error = error};
    struct http_policy *policy = NULL;
    struct seal_keys keys = {0};
    resource_set_allocator();
    signature_set_allocator();
    int r = dispatcher_http_policy(config, &policy, error);
    if (!r)
        r = keyring_load(config->secret_key_file, &keys, error);
    if (!r)
        r = store_lock_take(&supervisor.lock, config->database, error);
    if (r) {
        http_policy_unref(policy);
        seal_keys_wipe(&keys);
        return r;
    }

    signal(SIGPIPE, SIG_IGN);
    supervisor.secrets_are_plain = !keys.count;
    supervisor_start(&supervisor, policy, &keys);
    seal_keys_wipe(&keys);
    uv_run(&supervisor.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&supervisor.loop))
        abort(); /* a handle was forgotten */
    dispatcher_free(supervisor.dispatcher);
    task_group_free(supervisor.group);
    store_lock_release(&supervisor.lock);
    if (!supervisor.result)
        log_event(LOG_STOPPED, "stopped");
    return supervisor.result;
}
