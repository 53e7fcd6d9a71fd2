#include "outhook/delivery/scheduler_gates.h"

enum { LOOKS_MAX = 2000 }; /* lanes that are looked at in one call */

bool scheduler_has_moved(const struct scheduler *scheduler) {
    return !list_empty(&scheduler->lanes.moved);
}

/* Whether a lane's gate is worth telling: it is for a time that is known, or there at two looks in
 * a row. */
static bool gate_has_changed(struct lane *lane, const struct gate *gate) {
    bool lasting = gate->until_at || gate->kind == lane->gate_seen.kind;
    lane->gate_seen = *gate;
    return lasting && gate_differs(gate, &lane->gate_told);
}

int scheduler_gates(struct scheduler *scheduler, struct gate_change *changes, int most,
                    struct now now) {
    struct list again;
    struct list *link;
    int count = 0;
    list_init(&again);
    for (int looks = 0; looks < LOOKS_MAX && count < most; looks++) {
        if (!(link = list_pop(&scheduler->lanes.moved)))
            break;
        struct lane *lane = container_of(link, struct lane, moved);
        struct gate gate = gate_of_lane(lane, &scheduler->policy.lane, now);
        if (gate_has_changed(lane, &gate)) {
            lane->gate_told = gate;
            changes[count++] = (struct gate_change){lane->endpoint_id, gate};
        } else if (gate_differs(&gate, &lane->gate_told)) {
            list_push(&again, &lane->moved); /* new, and perhaps gone in a moment */
        }
    }
    while ((link = list_pop(&again)))
        list_push(&scheduler->lanes.moved, link);
    return count;
}
