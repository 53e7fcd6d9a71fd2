/*
 * The simulator's command line.
 *
 *      sim                             all scenarios, seed 1, in full size
 *      sim --scale 2                   the same with half of the slots and endpoints
 *      sim --scenario hung --seed 7    one, as a failure's last line says
 *      sim --seeds 20                  seeds 1 to 20
 *      sim --check-every 1             all lanes after every step, not only those touched
 *      sim --check-every 0             the scenarios' properties alone (for mutate.sh)
 *
 * In smaller worlds chance weighs more: hung-partly fails for some seeds at --scale 2 and more.
 */

#include "sim.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHECK_EVERY = 4096 };

static int usage(FILE *to) {
    fputs("usage: sim [--scenario NAME] [--seed N] [--seeds N] [--scale N] [--check-every N] "
          "[--kill-at N]\n\n",
          to);
    for (const struct scenario *scenario = scenarios; scenario->name; scenario++)
        fprintf(to, "  %-12s %s\n", scenario->name, scenario->property);
    return to == stdout ? 0 : 2;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run(const char *name, const struct options *options) {
    int found = 0;
    for (const struct scenario *scenario = scenarios; scenario->name; scenario++) {
        if (name && strcmp(name, scenario->name) != 0)
            continue;
        double from = seconds();
        scenario->run(scenario, options);
        printf("%-12s holds: %s, %.2f s\n", scenario->name, scenario->property, seconds() - from);
        found++;
    }
    return found;
}

int main(int argc, char **argv) {
    static const struct option names[] = {{"scenario", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'm'},
                                          {"scale", required_argument, NULL, 'x'},
                                          {"check-every", required_argument, NULL, 'c'},
                                          {"kill-at", required_argument, NULL, 'k'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.seed = 1, .scale = 1, .check_every = CHECK_EVERY, .kill_at = -1};
    const char *scenario = NULL;
    int seeds = 1;
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (name == 'n')
            scenario = optarg;
        else if (name == 's')
            options.seed = strtoull(optarg, NULL, 10);
        else if (name == 'm')
            seeds = atoi(optarg);
        else if (name == 'x')
            options.scale = atoi(optarg);
        else if (name == 'c')
            options.check_every = atoi(optarg);
        else if (name == 'k')
            options.kill_at = atoll(optarg);
        else
            return usage(name == 'h' ? stdout : stderr);
    }
    if (optind < argc || options.scale < 1 || options.check_every < 0)
        return usage(stderr);
    for (; seeds > 0; seeds--, options.seed++)
        if (!run(scenario, &options))
            return usage(stderr);
    return 0;
}
