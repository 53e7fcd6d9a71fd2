#ifndef OUTHOOK_STORE_LOAD_H
#define OUTHOOK_STORE_LOAD_H

/*
 * Made-up webhooks in numbers, for trying a machine: inserted as any producer does, through the
 * same triggers, some at a time; then what became of them. One thread.
 */

#include "outhook/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

#define LOAD_TYPE "outhook.bench" /* of all of them: so they can be found, and purged */

enum { LOAD_PAYLOAD_LEAST = 32, LOAD_SAMPLES_MAX = 1000000 };

struct load {
    int64_t webhooks;
    int64_t urls;       /* they take turns: URL1, URL2 … */
    const char *url;    /* what the numbers stand behind */
    int64_t bytes;      /* of a payload, a JSON object; LOAD_PAYLOAD_LEAST or more */
    int64_t per_second; /* 0: as fast as can be */
    int64_t in_one_go;  /* at most so many in a transaction */
};

struct load_result {
    int64_t inserted, first_id, last_id; /* webhooks */
    int64_t took_us;
    bool stopped; /* by the report */
};

/* Called after each transaction, and while it waits; false ends it. */
typedef bool load_report(int64_t done, void *context);

/* Inserts them, durably. What was inserted before an error stays; the result has it. A full queue
 * is an error with its sentence. `database` is open as DATABASE_PERSON. */
int load_insert(struct database *database, const struct load *load, struct load_result *result,
                load_report *report, void *context, struct error *error) must_check;

struct load_outcome {
    int64_t delivered, failed, pending;    /* failed: and expired, and cancelled */
    int64_t took_ms;                       /* from the first INSERT to the last outcome */
    int64_t median_ms, p99_ms, longest_ms; /* from INSERT to outcome, of the delivered ones */
};

/* Waits until none of them is pending, or the report says false. */
int load_wait(struct database *database, const struct load_result *result, load_report *report,
              void *context, struct error *error) must_check;

/* Sums them up; of more than LOAD_SAMPLES_MAX the times are those of the first so many. */
int load_outcome(struct database *database, const struct load_result *result,
                 struct load_outcome *outcome, struct error *error) must_check;

#endif
