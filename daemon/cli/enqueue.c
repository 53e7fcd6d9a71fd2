#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/cli/header_list.h"
#include "outhook/cli/json.h"
#include "outhook/cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The most that the setting max_payload_bytes can be, and so the most that may ever be accepted. */
#define ENQUEUE_BYTES_MAX ((size_t)512 << 20)

struct enqueue {
    const char *endpoint, *type, *file, *content_type, *method, *dedup_key, *deliver_at;
    struct option_texts headers;
    struct option_number delay, expires_after;
    bool json;
};

#define FIELD(name) offsetof(struct enqueue, name)

static const struct option_row enqueue_options[] = {
    {"endpoint", "ENDPOINT", OPTION_TEXT, FIELD(endpoint), 0, 0, "Send it to this endpoint."},
    {"type", "TYPE", OPTION_TEXT, FIELD(type), 0, 0,
     "Its event type. Without a URL or --endpoint it goes to every endpoint that subscribes to "
     "it."},
    {"file", "FILE", OPTION_TEXT, FIELD(file), 0, 0, "Read the data from a file; - is stdin."},
    {"content-type", "TYPE", OPTION_TEXT, FIELD(content_type), 0, 0,
     "The data's media type, application/json by default."},
    {"method", "METHOD", OPTION_TEXT, FIELD(method), 0, 0,
     "POST (the default), PUT, PATCH or DELETE."},
    {"header", "'NAME: VALUE'", OPTION_TEXTS, FIELD(headers), 0, 0,
     "Another header of the request; may be given several times."},
    {"dedup-key", "KEY", OPTION_TEXT, FIELD(dedup_key), 0, 0,
     "Refuse it if a webhook with this key has been enqueued before."},
    {"deliver-at", "TIME", OPTION_TEXT, FIELD(deliver_at), 0, 0,
     "Not before this time: 2026-05-01 12:00 (UTC), 2026-05-01T12:00:00+02:00, or milliseconds "
     "since 1970."},
    {"delay", "DURATION", OPTION_DURATION, FIELD(delay), 0, 0,
     "Not before this has passed, such as 90s, 5m or 2h."},
    {"expires-after", "DURATION", OPTION_DURATION, FIELD(expires_after), 0, 0,
     "Give up this long after it may first be sent."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print the result as JSON."},
    {0},
};

/* ---- the data -------------------------------------------------------------------------------- */

static int data_read_fd(int fd, const char *name, struct buffer *data, struct error *error) {
    char chunk[65536];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, ERROR_FAILED, "can't read %.300s: %s", name, strerror(errno));
        if (got == 0)
            return 0;
        if (data->length + (size_t)got > ENQUEUE_BYTES_MAX)
            return error_set(error, ERROR_USAGE,
                             "%.300s is larger than 512M, which no max_payload_bytes allows: send "
                             "a link to the data instead",
                             name);
        buffer_append(data, chunk, (size_t)got);
    }
}

static int data_read_file(const char *path, struct buffer *data, struct error *error) {
    if (!strcmp(path, "-"))
        return data_read_fd(STDIN_FILENO, "the standard input", data, error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, ERROR_FAILED, "can't read %.300s: %s", path, strerror(errno));
    int r = data_read_fd(fd, path, data, error);
    close(fd);
    return r;
}

/* Nothing on a stdin that nobody mentioned is more likely a mistake than an empty webhook. */
static int data_read_pipe(struct buffer *data, struct error *error) {
    if (isatty(STDIN_FILENO))
        return error_set(error, ERROR_USAGE,
                         "there is no data to send: write it behind, or use --file, or pipe it in");
    int r = data_read_file("-", data, error);
    if (!r && !data->length)
        r = error_set(error, ERROR_USAGE,
                      "there is no data to send: the standard input is empty (write - if that is "
                      "meant)");
    return r;
}

static int data_read(const struct enqueue *enqueue, const char *operand, struct buffer *data,
                     struct error *error) {
    if (operand && enqueue->file)
        return error_set(error, ERROR_USAGE, "the data comes from an argument or --file, not both");
    if (enqueue->file)
        return data_read_file(enqueue->file, data, error);
    if (operand && strcmp(operand, "-") != 0) {
        buffer_append(data, operand, strlen(operand));
        return 0;
    }
    return operand ? data_read_file("-", data, error) : data_read_pipe(data, error);
}

/* ---- the rest of the webhook ----------------------------------------------------------------- */

static bool looks_like_url(const char *text) {
    return !strncasecmp(text, "http://", 7) || !strncasecmp(text, "https://", 8);
}

/* Which operand is which: a URL comes first unless there is an endpoint or, alone with a type, the
 * first operand is data. */
static int enqueue_operands(const struct command *command, const struct enqueue *enqueue,
                            const char **url, const char **operand, struct error *error) {
    int count = command->argc, at = 0;
    bool url_optional = enqueue->type && count < 2;
    bool url_wanted =
        !enqueue->endpoint && count && (!url_optional || looks_like_url(command->argv[0]));
    if (url_wanted)
        *url = command->argv[at++];
    if (at < count)
        *operand = command->argv[at++];
    if (!*url && !enqueue->endpoint && !enqueue->type)
        return error_set(error, ERROR_USAGE,
                         "where to? Give a URL, --endpoint NAME or --type TYPE");
    return command_operands(command, at, error);
}

static int deliver_at(struct database *database, const struct enqueue *enqueue, int64_t *at,
                      struct error *error) {
    if (enqueue->delay.given && enqueue->deliver_at)
        return error_set(error, ERROR_USAGE, "--deliver-at and --delay say the same: give one");
    if (enqueue->delay.given)
        *at = clock_now().wall_ms + enqueue->delay.value;
    if (!enqueue->deliver_at)
        return 0;

    const char *text = enqueue->deliver_at;
    size_t length = strlen(text);
    if (!length || length > 18 || strspn(text, "0123456789") != length)
        return producer_time(database, text, at, error);
    *at = strtoll(text, NULL, 10);
    return 0;
}

static int enqueue_times(struct database *database, const struct enqueue *enqueue,
                         struct producer_webhook *webhook, struct error *error) {
    int r = deliver_at(database, enqueue, &webhook->deliver_at, error);
    if (!r && enqueue->expires_after.given)
        webhook->expires_at = enqueue->expires_after.value +
                              (webhook->deliver_at ? webhook->deliver_at : clock_now().wall_ms);
    return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static void enqueue_print(const struct enqueue *enqueue, const struct producer_receipt *receipt) {
    if (enqueue->json) {
        struct buffer json = {0};
        json_open(&json, NULL, '{');
        json_integer(&json, "webhook_id", receipt->webhook_id);
        json_text(&json, "uid", receipt->uid);
        json_integer(&json, "deliveries", receipt->deliveries);
        json_close(&json, '}');
        json_print(&json, false);
        buffer_free(&json);
    } else {
        printf("webhook %" PRId64 ", %" PRId64 " deliver%s\n", receipt->webhook_id,
               receipt->deliveries, receipt->deliveries == 1 ? "y" : "ies");
    }
    fflush(stdout);
    if (!receipt->deliveries)
        fprintf(stderr,
                "outhook: no endpoint subscribes to the type %s: the webhook is stored, and goes "
                "nowhere\n",
                enqueue->type);
}

static int enqueue_insert(const struct command *command, const struct enqueue *enqueue,
                          struct producer_webhook *webhook, struct error *error) {
    struct database database;
    int r = command_open(command, &database, DATABASE_PERSON, error);
    if (r)
        return r;
    struct producer_receipt receipt = {0};
    r = enqueue_times(&database, enqueue, webhook, error);
    if (!r)
        r = producer_insert(&database, webhook, &receipt, error);
    if (!r)
        enqueue_print(enqueue, &receipt);
    producer_receipt_free(&receipt);
    database_close(&database);
    return r;
}

static int enqueue_run(const struct command *command, const void *settings, struct error *error) {
    const struct enqueue *enqueue = settings;
    struct header_list headers = {0};
    struct producer_webhook webhook = {
        .type = enqueue->type,
        .endpoint = enqueue->endpoint,
        .method = enqueue->method,
        .content_type = enqueue->content_type,
        .dedup_key = enqueue->dedup_key,
    };
    const char *operand = NULL;
    struct buffer data = {0};
    int r = enqueue_operands(command, enqueue, &webhook.url, &operand, error);
    if (!r)
        r = header_list_read(&enqueue->headers, &headers, error);
    if (!r)
        r = data_read(enqueue, operand, &data, error);
    webhook.headers = headers.items;
    webhook.header_count = headers.count;
    webhook.payload = data.data;
    webhook.payload_bytes = data.length;
    if (!r)
        r = enqueue_insert(command, enqueue, &webhook, error);
    buffer_free(&data);
    header_list_free(&headers);
    return r;
}

const struct verb verb_enqueue = {
    .name = "enqueue",
    .operands = "[URL] [DATA]",
    .summary = "enqueue a webhook",
    .description =
        "It goes to the URL, or to an --endpoint, or to all that subscribe to its --type.\n"
        "The data is the last argument, or comes from --file, or from the standard input.\n"
        "\n"
        "  outhook enqueue https://example.com/hook '{\"hello\": \"world\"}'\n"
        "  outhook enqueue --endpoint billing --type invoice.paid --file invoice.json\n"
        "  generate | outhook enqueue --type invoice.paid",
    .options = enqueue_options,
    .settings_bytes = sizeof(struct enqueue),
    .run = enqueue_run,
};
