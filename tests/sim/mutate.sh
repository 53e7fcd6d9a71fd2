#!/bin/sh
# Shows that the simulator would notice: one rule of the scheduler at a time is disabled, in a copy,
# by one substitution, and the scenario named for it must fail. By hand, or by ctest:
#
#     sh tests/sim/mutate.sh [scale]
#
# A substitution that changes more or fewer lines than it should is an error: the code has moved on.
set -eu

scale=${1:-1}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mutate.XXXXXX")
trap 'rm -rf "$work"' EXIT
compiler=${CC:-cc}
flags="-std=c17 -O1 -D_GNU_SOURCE -DNDEBUG -w -I$root/include"
failures=0

# The sources that the simulator stands on.
sources="daemon/base/heap.c daemon/base/map.c daemon/base/memory.c daemon/base/random.c
    daemon/delivery/breaker.c daemon/delivery/concurrency.c daemon/delivery/delivery.c
    daemon/delivery/endpoint.c daemon/delivery/lane.c daemon/delivery/lanes.c daemon/delivery/loader.c
    daemon/delivery/origin.c daemon/delivery/outcome.c
    daemon/delivery/rate.c daemon/delivery/retry.c daemon/delivery/scheduler.c daemon/delivery/slots.c
    tests/sim/main.c tests/sim/sim.c tests/sim/sim_check.c tests/sim/sim_receiver.c
    tests/sim/sim_neighbours.c tests/sim/sim_scenarios.c tests/sim/sim_store.c"

# object <source>: where its object is.
object() {
    printf '%s/%s.o' "$work" "$(printf '%s' "$1" | tr / _)"
}

for source in $sources; do
    # shellcheck disable=SC2086
    $compiler $flags -c "$root/$source" -o "$(object "$source")"
done

# link <program> <source to leave out> <object to put in its place>
link() {
    objects=$3
    for source in $sources; do
        [ "$source" = "$2" ] || objects="$objects $(object "$source")"
    done
    # shellcheck disable=SC2086
    $compiler -o "$1" $objects -lm
}

# try <check-every> <scenario>: runs the mutant; its reason when it failed, or nothing.
try() {
    status=0
    timeout 60 "$work/mutant" --check-every "$1" --scale "$scale" --scenario "$2" \
        >"$work/output" 2>&1 || status=$?
    [ "$status" != 1 ] || sed -n 's/^FAILED [^:]*: //p' "$work/output" | sed 's/^not true at .*: //'
}

# mutant <rule> <scenario> <source> <lines that change> <sed script>: first with the scenario's
# property alone, then with the checks after every step.
mutant() {
    sed "$5" "$root/$3" >"$work/mutant.c"
    changed=$(diff "$root/$3" "$work/mutant.c" | grep -c '^>' || true)
    if [ "$changed" != "$4" ]; then
        echo "mutate.sh: the substitution for '$1' changed $changed lines of $3, not $4" >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    $compiler $flags -I"$root/$(dirname "$3")" -c "$work/mutant.c" -o "$work/mutant.o"
    link "$work/mutant" "$3" "$work/mutant.o"
    by=property
    reason=$(try 0 "$2")
    if [ -z "$reason" ]; then
        by=check
        reason=$(try 4096 "$2")
    fi
    if [ -z "$reason" ]; then
        by='NOT SEEN'
        failures=$((failures + 1))
    fi
    printf '%-8s  %-33s %-10s  %s\n' "$by" "$1" "$2" "$reason"
}

link "$work/sim" none ""
for scenario in hung hung-later hung-busy hung-new host-down host-slow fair outage throttled crowded heavy killed everything; do
    if ! "$work/sim" --scale "$scale" --scenario "$scenario" >"$work/output" 2>&1; then
        echo "mutate.sh: scenario $scenario fails without any mutation:" >&2
        tail -n 3 "$work/output" >&2
        exit 1
    fi
done

delivery=daemon/delivery
mutant "unproven: one slot each" hung $delivery/concurrency.c 1 \
    '/^int concurrency_limit/,/^}/ s/: 1;/: most;/'
mutant "unproven: half of all slots" hung-new $delivery/slots.c 1 \
    '/^bool slots_have_unproven_room/,/^}/ s/ + 1) \/ 2;/);/'
mutant "no new call while one is overdue" hung-later $delivery/lane.c 1 \
    's/return now_mono_ms - lane_oldest_sent_at.*/return false;/'
mutant "an answering endpoint may be slow" heavy $delivery/lane.c 1 \
    's/int slow = silent ? 0 : limit/int slow = 0 * silent * limit/'
mutant "few free slots: sooner suspected" hung-busy $delivery/slots.c 1 \
    '/^int64_t slots_overdue_floor_ms/,/^}/ s/= OVERDUE_FLOOR_MS \* .*/= OVERDUE_FLOOR_MS + 0 * free;/'
mutant "a cut of the limit" crowded $delivery/concurrency.c 1 \
    's/\(limit_q8 = concurrency->limit_q8\) \* (uint32_t)percent \/ 100;/\1;/'
mutant "the breaker" outage $delivery/breaker.c 1 \
    's/breaker->open_until = now_ms + random_jitter.*/breaker->open_until = 0;/'
mutant "silence of several opens an origin" host-down $delivery/origin.c 1 \
    's/(!counts || origin->n_silent < ORIGIN_SILENT_LANES)/true/'
mutant "half open: one call to an origin" host-down $delivery/origin.c 1 \
    's/return (breaker_half_open(&origin->breaker, now_mono_ms) ? 1 : most)/return most/'
mutant "an origin has its share" host-slow $delivery/origin.c 1 \
    's/ ? 1 : most) - origin->n_flying;/ ? 1 : 10000) - origin->n_flying;/'
mutant "a line at an origin is kept" host-slow $delivery/scheduler.c 1 \
    's/(lane_must_queue(lane) \&\& !called)/false/'
mutant "who loads keeps its place there" host-slow $delivery/lane.c 1 \
    '/^bool lane_claims_room/,/^}/ s/ || lane->state == LANE_LOADING//'
mutant "slot-time is charged" fair $delivery/scheduler.c 2 \
    's/delivery->charged_ms = charge_ms(concurrency_expected_ms.*/delivery->charged_ms = 1;/
     s/lane->virtual_ms += charge_ms(outcome->duration_ms) - delivery->charged_ms;/(void)outcome;/'
mutant "Retry-After holds the lane" throttled $delivery/lane.c 1 \
    's/lane->hold_until = later(lane->hold_until, now.mono_ms + hold_ms);/(void)hold_ms;/'
mutant "a row is handed out once" killed tests/sim/sim_store.c 1 \
    '/^static void store_hand_out/,/^}/ s/heap_remove(&row->site->rows, &row->node);/(void)sim;/'
mutant "a written retry tells its time" killed $delivery/scheduler.c 1 \
    '/^void scheduler_written/,/^}/ s/if (due_at < lane->next_due)/if (false)/'
mutant "rows refused while loading are due" everything $delivery/scheduler.c 1 \
    '/^void scheduler_loaded/,/^}/ s/if (lane->missed_due < lane->next_due)/if (false)/'
mutant "what is offered is in order" everything $delivery/scheduler.c 1 \
    's/lane->next_due > rows\[0\]->due_at/true/'
mutant "rows given back are due again" everything $delivery/scheduler.c 1 \
    '/^static void scheduler_release/,/^}/ s/if (delivery->due_at < lane->next_due)/if (false)/'

if [ "$failures" -gt 0 ]; then
    echo "mutate.sh: $failures rules can be disabled unnoticed" >&2
    exit 1
fi
