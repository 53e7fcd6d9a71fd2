#include "outhook/cli/json.h"
#include "outhook/cli/progress.h"
#include "outhook/cli/terminal.h"
#include "outhook/cli/text.h"
#include "outhook/cli/verb.h"
#include "outhook/store/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    BENCH_WEBHOOKS = 10000,
    BENCH_URLS = 10,
    BENCH_BYTES = 512,
    BENCH_IN_ONE_GO = 100,
    BENCH_BYTES_MOST = 16 * 1024 * 1024,
};

#define BENCH_URL "http://127.0.0.1:8080/"

struct bench {
    const char *url;
    struct option_number webhooks, endpoints, bytes, rate, in_one_go;
    bool wait, yes, json;
};

#define FIELD(name) offsetof(struct bench, name)

static const struct option_row bench_options[] = {
    {"url", "URL", OPTION_TEXT, FIELD(url), 0, 0,
     "Where to; a number goes behind it. " BENCH_URL
     " unless given, where outhook listen listens."},
    {"webhooks", "N", OPTION_INTEGER, FIELD(webhooks), 1, 1000000000,
     "So many; 10000 unless given."},
    {"endpoints", "N", OPTION_INTEGER, FIELD(endpoints), 1, 1000000,
     "To so many URLs in turn; 10 unless given."},
    {"bytes", "N", OPTION_INTEGER, FIELD(bytes), LOAD_PAYLOAD_LEAST, BENCH_BYTES_MOST,
     "The size of a payload; 512 unless given."},
    {"rate", "N", OPTION_INTEGER, FIELD(rate), 1, 1000000,
     "So many a second; as fast as can be unless given."},
    {"transaction", "N", OPTION_INTEGER, FIELD(in_one_go), 1, 100000,
     "At most so many in a transaction; 100 unless given."},
    {"wait", NULL, OPTION_FLAG, FIELD(wait), 0, 0,
     "Wait until all are delivered, or have failed, and tell how long it took."},
    {"yes", NULL, OPTION_FLAG, FIELD(yes), 0, 0, "Don't ask."},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "Print the result as JSON."},
    {0},
};

static int64_t number_or(struct option_number number, int64_t usual) {
    return number.given ? number.value : usual;
}

static struct load bench_load(const struct bench *bench) {
    return (struct load){
        .webhooks = number_or(bench->webhooks, BENCH_WEBHOOKS),
        .urls = number_or(bench->endpoints, BENCH_URLS),
        .url = bench->url ? bench->url : BENCH_URL,
        .bytes = number_or(bench->bytes, BENCH_BYTES),
        .per_second = number_or(bench->rate, 0),
        .in_one_go = number_or(bench->in_one_go, BENCH_IN_ONE_GO),
    };
}

/* ---- what came of it ------------------------------------------------------------------------- */

static double a_second(int64_t count, int64_t us) {
    return us ? (double)count * 1e6 / (double)us : 0;
}

static void print_inserted(const struct load_result *result) {
    printf("%" PRId64 " webhook%s inserted in %.3f s, %.0f/s\n", result->inserted,
           result->inserted == 1 ? "" : "s", (double)result->took_us / 1e6,
           a_second(result->inserted, result->took_us));
}

static void print_outcome(const struct load_outcome *outcome) {
    printf("%" PRId64 " delivered, %" PRId64 " failed, %" PRId64 " pending, %.3f s after the first "
           "INSERT, %.0f/s\n",
           outcome->delivered, outcome->failed, outcome->pending, (double)outcome->took_ms / 1000,
           a_second(outcome->delivered + outcome->failed, outcome->took_ms * 1000));
    if (outcome->delivered)
        printf("from INSERT to outcome: median %" PRId64 " ms, 99 %% %" PRId64
               " ms, longest %" PRId64 " ms\n",
               outcome->median_ms, outcome->p99_ms, outcome->longest_ms);
}

static void print_json(const struct load_result *result, const struct load_outcome *outcome) {
    struct buffer json = {0};
    json_open(&json, NULL, '{');
    json_integer(&json, "inserted", result->inserted);
    json_integer(&json, "insert_us", result->took_us);
    json_integer_or_null(&json, "first_webhook_id", result->first_id);
    json_integer_or_null(&json, "last_webhook_id", result->last_id);
    if (outcome) {
        json_integer(&json, "delivered", outcome->delivered);
        json_integer(&json, "failed", outcome->failed);
        json_integer(&json, "pending", outcome->pending);
        json_integer(&json, "delivery_ms", outcome->took_ms);
        json_integer(&json, "median_ms", outcome->median_ms);
        json_integer(&json, "p99_ms", outcome->p99_ms);
        json_integer(&json, "longest_ms", outcome->longest_ms);
    }
    json_close(&json, '}');
    json_print(&json, false);
    buffer_free(&json);
}

/* ---- the verb -------------------------------------------------------------------------------- */

static bool bench_report(int64_t done, void *context) {
    return progress_show(context, done);
}

static bool bench_confirmed(const struct bench *bench, const struct load *load,
                            const struct database *database) {
    struct buffer question = {0};
    bool yes = bench->yes || !isatty(STDIN_FILENO);
    if (!yes) {
        buffer_print(&question, "Insert %" PRId64 " made-up webhook%s to %s1 … into %s?",
                     load->webhooks, load->webhooks == 1 ? "" : "s", load->url, database->path);
        yes = terminal_confirm(buffer_text(&question));
        buffer_free(&question);
    }
    return yes;
}

static int bench_insert(struct database *database, const struct load *load,
                        struct load_result *result, struct error *error) {
    struct progress progress = progress_begin(load->webhooks);
    int r = load_insert(database, load, result, bench_report, &progress, error);
    progress_end(&progress);
    return r;
}

static int bench_wait(struct database *database, struct load_result *result,
                      struct load_outcome *outcome, struct error *error) {
    struct progress progress = progress_begin(result->last_id - result->first_id + 1);
    int r = result->stopped ? 0 : load_wait(database, result, bench_report, &progress, error);
    result->stopped |= !progress_show(&progress, 0);
    progress_end(&progress);
    return r ? r : load_outcome(database, result, outcome, error);
}

static int bench_work(struct database *database, const struct bench *bench, const struct load *load,
                      struct error *error) {
    struct load_result result;
    struct load_outcome outcome;
    int r = bench_insert(database, load, &result, error);
    if (!bench->json)
        print_inserted(&result);
    fflush(stdout);
    if (!r && bench->wait)
        r = bench_wait(database, &result, &outcome, error);
    if (bench->json)
        print_json(&result, !r && bench->wait ? &outcome : NULL);
    else if (!r && bench->wait)
        print_outcome(&outcome);
    if (!r && result.stopped)
        r = error_set(error, ERROR_STOPPED,
                      "interrupted; outhook cancel --type " LOAD_TYPE
                      " and outhook purge --type " LOAD_TYPE " take away what there is");
    return r;
}

static int bench_run(const struct command *command, const void *settings, struct error *error) {
    const struct bench *bench = settings;
    const struct load load = bench_load(bench);
    struct database database;
    int r = command_operands(command, 0, error);
    if (!r)
        r = command_open(command, &database, DATABASE_PERSON, error);
    if (r)
        return r;
    r = bench_confirmed(bench, &load, &database)
            ? bench_work(&database, bench, &load, error)
            : error_set(error, ERROR_FAILED, "nothing was inserted");
    database_close(&database);
    return r;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "load the database with made-up webhooks, for trying a machine",
    .description =
        "They have the type " LOAD_TYPE ", and go to a URL each, with a number behind it. With\n"
        "outhook listen in another terminal, and 127.0.0.0/8 among allow_networks:\n"
        "\n"
        "  outhook bench --webhooks 20000 --wait\n"
        "\n"
        "This takes them away again:\n"
        "\n"
        "  outhook cancel --type " LOAD_TYPE "\n"
        "  outhook purge --type " LOAD_TYPE,
    .options = bench_options,
    .settings_bytes = sizeof(struct bench),
    .run = bench_run,
};
