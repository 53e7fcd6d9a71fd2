/*
 * What libcurl can do here with no database behind it: the yardstick.
 *
 *     ceiling --threads N --calls N --in-flight N --bytes N [--ca-file FILE] [--http2] URL...
 *
 * Makes so many POSTs, of so many bytes, with the headers that outhookd sends (not signed anew, but
 * as many and as long), and prints the seconds that took and the CPU seconds of this process. The
 * URLs take turns. Each thread has a libuv loop and a multi handle, as outhookd's workers have, and
 * its own share of the calls and of the URLs; its easy handles are set up once and used again as
 * they are, which is the least that libcurl can be made to do.
 *
 * Ends with 1 when a call fails or isn't answered by 2xx.
 */

#include <curl/curl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>

enum { THREADS_MAX = 64, RECEIVE_BUFFER_BYTES = 4096 };

static const char *const header_lines[] = {
    "webhook-id: msg_0199a8b8c1f2a1b2c3d4e5f60718293a4b5c",
    "webhook-timestamp: 1764271234",
    "webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    "Content-Type: application/json",
    "Expect:",
};

static struct options {
    int threads, in_flight;
    long calls, bytes;
    bool http2;
    const char *ca_file;
    char **urls;
    int url_count;
} options = {.threads = 1, .in_flight = 64, .calls = 100000, .bytes = 512};

struct thread {
    pthread_t id;
    int number;
    uv_loop_t loop;
    uv_timer_t timer;
    CURLM *multi;
    long calls_left;
    int next_url;
};

struct watched {
    uv_poll_t poll;
    struct thread *thread;
    curl_socket_t socket;
};

static struct curl_slist *headers;
static char *payload;

static void die(const char *what) {
    fprintf(stderr, "ceiling: %s\n", what);
    exit(1);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static size_t ignore_body(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes, (void)context;
    return size * count;
}

static CURL *easy_new(void) {
    CURL *easy = curl_easy_init();
    if (!easy)
        die("no memory");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 15000L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options.bytes);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(options.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)options.http2);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (options.ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file);
    return easy;
}

static void thread_call(struct thread *thread, CURL *easy) {
    if (!thread->calls_left) {
        curl_easy_cleanup(easy);
        return;
    }
    thread->calls_left--;
    curl_easy_setopt(easy, CURLOPT_URL, options.urls[thread->next_url]);
    thread->next_url += options.threads;
    if (thread->next_url >= options.url_count)
        thread->next_url = thread->number % options.url_count;
    curl_multi_add_handle(thread->multi, easy);
}

static void thread_collect(struct thread *thread) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(thread->multi, &left))) {
        CURL *easy = message->easy_handle;
        long status = 0;
        if (message->data.result)
            die(curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (status / 100 != 2)
            die("an answer that is not 2xx");
        curl_multi_remove_handle(thread->multi, easy);
        thread_call(thread, easy);
    }
}

/* ---- libcurl's events ------------------------------------------------------------------------ */

static void thread_act(struct thread *thread, curl_socket_t socket, int events) {
    int running;
    curl_multi_socket_action(thread->multi, socket, events, &running);
    thread_collect(thread);
}

static void on_socket(uv_poll_t *poll, int status, int events) {
    struct watched *watched = poll->data;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    thread_act(watched->thread, watched->socket, status < 0 ? CURL_CSELECT_ERR : flags);
}

static void on_timer(uv_timer_t *timer) {
    thread_act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void closed(uv_handle_t *handle) {
    free(handle->data);
}

static int want_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *known) {
    struct thread *thread = context;
    struct watched *watched = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (!watched)
            return 0;
        curl_multi_assign(thread->multi, socket, NULL);
        uv_poll_stop(&watched->poll);
        uv_close((uv_handle_t *)&watched->poll, closed);
        return 0;
    }
    if (!watched) {
        watched = calloc(1, sizeof *watched);
        if (!watched || uv_poll_init_socket(&thread->loop, &watched->poll, socket))
            die("can't watch a socket");
        watched->thread = thread;
        watched->socket = socket;
        watched->poll.data = watched;
        curl_multi_assign(thread->multi, socket, watched);
    }
    uv_poll_start(&watched->poll,
                  (what & CURL_POLL_IN ? UV_READABLE : 0) |
                      (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                  on_socket);
    return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *context) {
    struct thread *thread = context;
    (void)multi;
    if (timeout_ms < 0)
        return uv_timer_stop(&thread->timer);
    uv_update_time(&thread->loop);
    return uv_timer_start(&thread->timer, on_timer, (uint64_t)timeout_ms, 0);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *thread_run(void *context) {
    struct thread *thread = context;
    uv_loop_init(&thread->loop);
    uv_timer_init(&thread->loop, &thread->timer);
    thread->timer.data = thread;
    thread->multi = curl_multi_init();
    curl_multi_setopt(thread->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(thread->multi, CURLMOPT_SOCKETDATA, thread);
    curl_multi_setopt(thread->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(thread->multi, CURLMOPT_TIMERDATA, thread);
    curl_multi_setopt(thread->multi, CURLMOPT_MAXCONNECTS,
                      2L * options.in_flight + options.url_count); /* none is closed in between */
    for (int i = 0; i < options.in_flight / options.threads; i++)
        thread_call(thread, easy_new());
    uv_run(&thread->loop, UV_RUN_DEFAULT);
    curl_multi_cleanup(thread->multi);
    uv_close((uv_handle_t *)&thread->timer, NULL);
    uv_run(&thread->loop, UV_RUN_DEFAULT);
    uv_loop_close(&thread->loop);
    return NULL;
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_all(void) {
    static struct thread threads[THREADS_MAX];
    double began_at = seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < options.threads; i++) {
        struct thread *thread = &threads[i];
        thread->number = i;
        thread->next_url = i % options.url_count;
        thread->calls_left = options.calls / options.threads;
        if (pthread_create(&thread->id, NULL, thread_run, thread))
            die("can't start a thread");
    }
    for (int i = 0; i < options.threads; i++)
        pthread_join(threads[i].id, NULL);
    printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - began_at, seconds(CLOCK_PROCESS_CPUTIME_ID));
}

static void prepare(void) {
    for (size_t i = 0; i < sizeof header_lines / sizeof *header_lines; i++)
        headers = curl_slist_append(headers, header_lines[i]);
    payload = malloc((size_t)options.bytes + 1);
    if (!payload || !headers)
        die("no memory");
    memset(payload, 'x', (size_t)options.bytes);
}

static void read_options(int argc, char **argv) {
    static const struct option long_options[] = {
        {"threads", required_argument, NULL, 't'},
        {"calls", required_argument, NULL, 'c'},
        {"in-flight", required_argument, NULL, 'i'},
        {"bytes", required_argument, NULL, 'b'},
        {"ca-file", required_argument, NULL, 'a'},
        {"http2", no_argument, NULL, '2'},
        {NULL, 0, NULL, 0},
    };
    int code;
    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (code == 't')
            options.threads = (int)strtol(optarg, NULL, 10);
        else if (code == 'c')
            options.calls = strtol(optarg, NULL, 10);
        else if (code == 'i')
            options.in_flight = (int)strtol(optarg, NULL, 10);
        else if (code == 'b')
            options.bytes = strtol(optarg, NULL, 10);
        else if (code == 'a')
            options.ca_file = optarg;
        else if (code == '2')
            options.http2 = true;
        else
            exit(2);
    }
    options.urls = argv + optind;
    options.url_count = argc - optind;
    if (!options.url_count || options.threads < 1 || options.threads > THREADS_MAX ||
        options.in_flight < options.threads) {
        fprintf(stderr, "Usage: ceiling [--threads N] [--calls N] [--in-flight N] [--bytes N] "
                        "[--ca-file FILE] [--http2] URL...\n");
        exit(2);
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    prepare();
    run_all();
    return 0;
}
