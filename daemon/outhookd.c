/*
 * outhookd: delivers webhooks that others insert into an SQLite database.
 *
 * Reads its options and settings, and leaves the rest to the supervisor.
 */

#include "outhook/base/error.h"
#include "outhook/base/memory.h"
#include "outhook/runtime/config.h"
#include "outhook/runtime/log.h"
#include "outhook/service/dispatcher.h"
#include "outhook/service/supervisor.h"
#include "outhook/store/keyring.h"

#include <getopt.h>
#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { OVERRIDES_MAX = 100, EXIT_DAMAGED = 3, LAST_LINES_MS = 1000 };

enum option_code { OPTION_CHECK = 256, OPTION_QUIET, OPTION_HELP_SETTINGS, OPTION_VERSION };

struct options {
    const char *config_path;
    struct config_override overrides[OVERRIDES_MAX];
    int override_count;
    char *database_override; /* owned: what --database stands for */
    bool check, quiet;
};

/* How jemalloc(3), which outhookd is linked with, keeps memory: in two arenas, as the threads hand
 * most of it to each other; and what lies idle goes back to the kernel, by a thread of jemalloc's
 * own, for when a burst is over most of ours sleep. */
const char *malloc_conf = "narenas:2,background_thread:true,max_background_threads:1";

static const char usage[] =
    "Usage: outhookd [OPTION]...\n"
    "Deliver the webhooks that are inserted into an SQLite database.\n"
    "\n"
    "  -c, --config FILE      read this configuration instead of " CONFIG_DEFAULT_FILE "\n"
    "  -d, --database PATH    serve this database (the same as --set database=PATH)\n"
    "  -s, --set NAME=VALUE   set this over what the configuration says; may be repeated\n"
    "      --check            check the configuration, print it, and exit\n"
    "      --quiet            with --check: print nothing but what is wrong\n"
    "      --help-settings    print all settings, as a configuration file with comments\n"
    "  -h, --help             print this\n"
    "      --version          print the version\n"
    "\n"
    "SIGTERM and SIGINT stop it once the calls under way have ended (a second one at once);\n"
    "SIGHUP reloads the configuration. Try it all: sh daemon/quickstart.sh\n";

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"database", required_argument, NULL, 'd'},
    {"set", required_argument, NULL, 's'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help-settings", no_argument, NULL, OPTION_HELP_SETTINGS},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int options_add_override(struct options *options, const char *text, struct error *error) {
    if (options->override_count == OVERRIDES_MAX)
        return error_set(error, ERROR_USAGE,
                         "more than %d --set: write them into a file and name it with --config",
                         OVERRIDES_MAX);
    options->overrides[options->override_count++].text = text;
    return 0;
}

static int options_set_database(struct options *options, const char *path, struct error *error) {
    free(options->database_override);
    options->database_override = memory_print("database=%s", path);
    return options_add_override(options, options->database_override, error);
}

/* What ends the program before it starts: 0 for done, -1 for "go on". */
static int options_answer(int code) {
    switch (code) {
    case 'h':
        fputs(usage, stdout);
        return 0;
    case OPTION_VERSION:
        puts("outhookd " OUTHOOK_VERSION);
        return 0;
    case OPTION_HELP_SETTINGS:
        config_print_help(stdout);
        return 0;
    default:
        return -1;
    }
}

/* The letters of getopt_long(); the first colon tells a value that is lacking from an unknown
 * option. */
static const char short_options[] = ":c:d:s:h";

/* `code` is what getopt_long() refused with, which leaves in optopt 0 for an unknown long option.
 */
static int options_refuse(int code, char **argv, struct error *error) {
    const char *word = argv[optind - 1];
    if (code == ':')
        return error_set(error, ERROR_USAGE, "%s lacks its value: see outhookd --help", word);
    if (optopt == 0)
        return error_set(error, ERROR_USAGE, "there is no option %s: see outhookd --help", word);
    if (optopt >= OPTION_CHECK || strchr(short_options, optopt))
        return error_set(error, ERROR_USAGE, "%s: this option takes no value; see outhookd --help",
                         word);
    return error_set(error, ERROR_USAGE, "there is no option -%c: see outhookd --help", optopt);
}

/* Fills `options`. Returns 0 to go on, 1 when all was answered already, or an error kind. */
static int options_parse(struct options *options, int argc, char **argv, struct error *error) {
    int code, r = 0;
    opterr = 0;
    while (!r && (code = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (code == '?' || code == ':')
            r = options_refuse(code, argv, error);
        else if (code == 'c')
            options->config_path = optarg;
        else if (code == 'd')
            r = options_set_database(options, optarg, error);
        else if (code == 's')
            r = options_add_override(options, optarg, error);
        else if (code == OPTION_CHECK)
            options->check = true;
        else if (code == OPTION_QUIET)
            options->quiet = true;
        else if (!options_answer(code))
            return 1;
    }
    if (!r && options->quiet && !options->check)
        r = error_set(error, ERROR_USAGE, "--quiet goes with --check; log_level quietens the log");
    if (!r && optind < argc)
        r = error_set(error, ERROR_USAGE, "%s: outhookd takes options only; see outhookd --help",
                      argv[optind]);
    return r;
}

/* Everything that can be wrong with the settings, without touching the database. */
static int check(const struct config *config, bool quiet, struct error *error) {
    struct http_policy *policy = NULL;
    struct seal_keys keys = {0};
    int r = dispatcher_http_policy(config, &policy, error);
    if (!r)
        r = keyring_load(config->secret_key_file, &keys, error);
    http_policy_unref(policy);
    seal_keys_wipe(&keys);
    if (r)
        return r;
    if (!quiet)
        config_print(config, stdout);
    return 0;
}

/* A connection takes a descriptor, and the usual soft limit of 1024 is for programs that use
 * select(). */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A database that is damaged or was taken away is nothing that a restart could mend: the service
 * manager tells it by this. */
static int exit_code(int kind) {
    return kind == ERROR_DAMAGED ? EXIT_DAMAGED : error_exit_code(kind);
}

/* What libraries would take from the environment behind our back: a file to write TLS keys to,
 * other certificate authorities, names for hosts. Proxies are switched off where calls are made. */
static void forget_environment(void) {
    static const char *const names[] = {"SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR",
                                        "HOSTALIASES"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static int run(struct options *options, struct error *error) {
    struct config config;
    const struct supervisor_options supervisor = {
        .config_path = options->config_path,
        .overrides = options->overrides,
        .override_count = options->override_count,
    };
    int r = config_load(&config, options->config_path, options->overrides, options->override_count,
                        error);
    if (r)
        return r;
    if (options->check) {
        r = check(&config, options->quiet, error);
    } else {
        raise_descriptor_limit();
        log_open();
        log_set_level((enum log_level)config.log_level);
        r = supervisor_run(&config, &supervisor, error);
    }
    config_free(&config);
    return r;
}

int main(int argc, char **argv) {
    struct options options = {0};
    struct error error = {0};
    forget_environment();
    int r = options_parse(&options, argc, argv, &error);
    if (!r)
        r = run(&options, &error);
    free(options.database_override);
    if (log_close(LAST_LINES_MS) && r < 0)
        fprintf(stderr, "outhookd: %s\n", error.text);
    return r < 0 ? exit_code(r) : 0;
}
