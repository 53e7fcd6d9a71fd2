#include "outhook/cli/json.h"
#include "outhook/cli/receiver.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    LISTEN_PORT_USUAL = 8080,
    LISTEN_PORT_MAX = 65535,
    LISTEN_GLANCE_BYTES = 4096,           /* of a body, when only its beginning is shown */
    LISTEN_BODY_BYTES = 16 * 1024 * 1024, /* of a body, when all of it is */
    LISTEN_INDENT = 2,
};

struct listen_settings {
    const char *address;
    struct option_number status, delay, fail_first, retry_after;
    bool hang, body, json;
};

#define FIELD(name) offsetof(struct listen_settings, name)

static const struct option_row listen_options[] = {
    {"address", "ADDRESS", OPTION_TEXT, FIELD(address), 0, 0,
     "Listen on this address, 127.0.0.1 by default; 0.0.0.0 is all."},
    {"body", NULL, OPTION_FLAG, FIELD(body), 0, 0, "Print whole bodies, not their first line."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0,
     "Print a JSON object a request, with its headers and body."},
    {"status", "N", OPTION_INTEGER, FIELD(status), 200, 599, "Answer with this status, not 200."},
    {"delay", "DURATION", OPTION_DURATION, FIELD(delay), 0, 0, "Answer only after so long."},
    {"fail-first", "N", OPTION_INTEGER, FIELD(fail_first), 0, 1000000,
     "Answer the first N attempts of each webhook-id with 500 (requests without one: the first N "
     "of each connection)."},
    {"retry-after", "SECONDS", OPTION_INTEGER, FIELD(retry_after), 0, 1000000000,
     "Send this Retry-After with answers that are not 2xx."},
    {"hang", NULL, OPTION_FLAG, FIELD(hang), 0, 0, "Never answer."},
    {0},
};

/* ---- showing --------------------------------------------------------------------------------- */

static void print_json(const struct receiver_request *request) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_integer(&json, "received_at", request->received_at);
    json_text(&json, "method", request->method);
    json_text(&json, "path", request->path);
    json_open(&json, "headers", '{');
    for (size_t i = 0; i < request->header_count; i++)
        json_member(&json, request->headers[i].name, request->headers[i].value);
    json_close(&json, '}');
    json_integer(&json, "body_bytes", request->body_bytes);
    json_bytes(&json, "body", request->body ? request->body : "", request->body_kept);
    json_integer_or_null(&json, "status", request->status);
    json_close(&json, '}');
    json_print(&json, true);
    buffer_free(&json);
}

static void append_clock(struct buffer *line, int64_t at_ms) {
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    char text[32] = "";
    if (localtime_r(&seconds, &local))
        strftime(text, sizeof text, "%H:%M:%S", &local);
    buffer_print(line, "%s.%03d", text, (int)(at_ms % 1000));
}

static void append_header(struct buffer *line, const struct receiver_request *request,
                          const char *name, const char *label) {
    const char *value = receiver_header(request, name);
    if (!value)
        return;
    buffer_print(line, "  %s", label);
    text_append(line, value, strlen(value), TEXT_UNBOUNDED);
}

static void append_status(struct buffer *line, const struct receiver_request *request) {
    bool good = request->status >= 200 && request->status <= 299;
    const char *style = terminal_style(good ? STYLE_GOOD : STYLE_BAD);
    buffer_print(line, "%s", style);
    if (request->status)
        buffer_print(line, "%d", request->status);
    else
        buffer_print(line, "hangs");
    buffer_print(line, "%s  ", *style ? terminal_style(STYLE_PLAIN) : "");
}

/* Prints a body line by line, a little indented, so that it can't be taken for another request's.
 */
static void print_body(const char *body, size_t length, bool whole) {
    int columns = whole ? TEXT_UNBOUNDED : terminal_columns() - LISTEN_INDENT;
    struct buffer line = {0};
    while (length) {
        const char *end = memchr(body, '\n', length);
        size_t part = end ? (size_t)(end - body) : length;
        buffer_clear(&line);
        text_append(&line, body, part, columns);
        printf("%*s%s%s\n", LISTEN_INDENT, "", buffer_text(&line),
               !whole && end && part + 1 < length ? " …" : "");
        part += end ? 1 : 0;
        body += part;
        length -= part;
        if (!whole)
            break;
    }
    buffer_free(&line);
}

static void print_request(const struct receiver_request *request, bool whole) {
    struct buffer line = {0};
    append_clock(&line, request->received_at);
    buffer_print(&line, "  ");
    append_status(&line, request);
    text_append(&line, request->method, strlen(request->method), TEXT_UNBOUNDED);
    buffer_print(&line, " ");
    text_append(&line, request->path, strlen(request->path), TEXT_UNBOUNDED);
    append_header(&line, request, "content-type", "");
    buffer_print(&line, "  ");
    text_append_bytes(&line, request->body_bytes);
    append_header(&line, request, "webhook-id", "webhook-id=");
    append_header(&line, request, "webhook-timestamp", "webhook-timestamp=");
    printf("%s\n", buffer_text(&line));
    buffer_free(&line);
    print_body(request->body, request->body_kept, whole);
    fflush(stdout);
}

static void listen_show(const struct receiver_request *request, void *context) {
    const struct listen_settings *listen = context;
    if (listen->json)
        print_json(request);
    else
        print_request(request, listen->body);
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int listen_port(const struct command *command, int *port, struct error *error) {
    *port = LISTEN_PORT_USUAL;
    if (!command->argc)
        return command_operands(command, 1, error);
    const char *text = command->argv[0];
    size_t length = strlen(text);
    if (!length || length > 5 || strspn(text, "0123456789") != length ||
        strtol(text, NULL, 10) > LISTEN_PORT_MAX)
        return error_set(error, ERROR_USAGE,
                         "%.100s is no port: give a number from 1 to %d, or 0 for any that is free",
                         text, LISTEN_PORT_MAX);
    *port = (int)strtol(text, NULL, 10);
    return command_operands(command, 1, error);
}

/* A file descriptor that becomes readable when somebody wants the program to end. */
static int signals_open(struct error *error) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd
                   : error_set(error, ERROR_FAILED, "can't wait for signals: %s", strerror(errno));
}

/* Who reads the output knows by this line that calls may come. */
static void print_url(const char *url, bool as_json) {
    struct buffer json = {0};
    if (as_json) {
        json_open(&json, NULL, '{');
        json_text(&json, "listening_on", url);
        json_close(&json, '}');
        json_print(&json, true);
    } else {
        printf("listening on %s\n", url);
        fflush(stdout);
    }
    buffer_free(&json);
}

static int listen_serve(const struct listen_settings *listen, int port, int stop_fd,
                        struct error *error) {
    struct listen_settings shown = *listen;
    const struct receiver_manners manners = {
        .status = listen->status.given ? (int)listen->status.value : 200,
        .delay_ms = listen->delay.value,
        .fail_first = listen->fail_first.value,
        .retry_after_s = listen->retry_after.given ? listen->retry_after.value : -1,
        .hang = listen->hang,
        .body_bytes_kept = listen->body || listen->json ? LISTEN_BODY_BYTES : LISTEN_GLANCE_BYTES,
    };
    struct receiver *receiver;
    int r = receiver_new(&receiver, listen->address ? listen->address : "127.0.0.1", port, &manners,
                         listen_show, &shown, error);
    if (r)
        return r;
    print_url(receiver_url(receiver), listen->json);
    r = receiver_run(receiver, stop_fd, error);
    receiver_free(receiver);
    return r;
}

static int listen_run(const struct command *command, const void *settings, struct error *error) {
    int port = 0;
    int r = listen_port(command, &port, error);
    if (r)
        return r;
    int stop_fd = signals_open(error);
    if (stop_fd < 0)
        return stop_fd;
    r = listen_serve(settings, port, stop_fd, error);
    close(stop_fd);
    return r;
}

const struct verb verb_listen = {
    .name = "listen",
    .operands = "[PORT]",
    .summary = "receive webhooks and print them, for trying things out",
    .description = "PORT is 8080 by default; 0 is any that is free. Ctrl-C ends it.\n"
                   "outhookd calls an address such as 127.0.0.1 only if allow_networks has it.",
    .options = listen_options,
    .settings_bytes = sizeof(struct listen_settings),
    .run = listen_run,
};
