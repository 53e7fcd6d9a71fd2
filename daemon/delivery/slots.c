#include "outhook/delivery/slots.h"

enum {
    OVERDUE_FLOOR_MS = 250,      /* while all slots are free */
    OVERDUE_FLOOR_LEAST_MS = 25, /* when hardly any is */
};

bool slots_have_room(const struct slots *slots, const struct slots_policy *policy) {
    return slots->n_flying < policy->max_in_flight &&
           slots->n_flying + slots->n_unwritten < policy->max_in_flight + policy->max_unwritten;
}

bool slots_have_unproven_room(const struct slots *slots, const struct slots_policy *policy,
                              int n_reserved) {
    return slots->n_unproven + n_reserved < (policy->max_in_flight + 1) / 2;
}

bool slots_wait_for_store(const struct slots *slots, const struct slots_policy *policy) {
    return slots->n_unwritten * 2 >= policy->max_unwritten;
}

int slots_origin_limit(const struct slots_policy *policy) {
    int most = policy->max_in_flight - policy->max_in_flight / 4;
    int own = policy->origin_max_in_flight;
    return own && own < most ? own : most;
}

int64_t slots_overdue_floor_ms(const struct slots *slots, const struct slots_policy *policy) {
    int free = policy->max_in_flight - slots->n_flying;
    int64_t floor_ms = OVERDUE_FLOOR_MS * (int64_t)free / policy->max_in_flight;
    return floor_ms < OVERDUE_FLOOR_LEAST_MS ? OVERDUE_FLOOR_LEAST_MS : floor_ms;
}
