#!/bin/sh
# Shows that the campaigns would notice: one promise at a time is broken in a copy of the daemon, by one
# substitution, and the campaign named for it must fail. By hand, a quarter of an hour:
#
#     sh tests/faults/mutate.sh [NAME...]
#
# A substitution that changes more or fewer lines than it should is an error: the code has moved on.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mutate.XXXXXX")
trap 'rm -rf "$work"' EXIT
wanted=" $* "
failures=0

cp -r "$root/CMakeLists.txt" "$root/README.md" "$root/LICENSE" "$root/daemon" "$root/include" "$root/migrations" \
    "$root/systemd" "$root/debian" "$root/tests" "$work"
build() {
    cmake --build "$work/build" --parallel "$(nproc)" --target outhookd outhookd_next outhook disk >"$work/log" 2>&1
}
cmake -S "$work" -B "$work/build" -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$work/log" 2>&1
build || {
    tail -n 30 "$work/log"
    exit 1
}
OUTHOOK_BUILD=$work/build
export OUTHOOK_BUILD

# mutant NAME SOURCE LINES SED PROGRAM OPTION...: LINES is how many of them change.
mutant() {
    name=$1 source=$2 lines=$3 script=$4
    shift 4
    case $wanted in
    "  " | *" $name "*) ;;
    *) return 0 ;;
    esac
    cp "$work/$source" "$work/kept"
    sed "$script" "$work/kept" >"$work/$source"
    changed=$(diff "$work/kept" "$work/$source" | grep -c '^>' || true)
    if [ "$changed" != "$lines" ] || ! build; then
        echo "$name: the substitution changed $changed lines of $source instead of $lines, or it does not compile"
        failures=$((failures + 1))
    elif (cd "$root/tests" && timeout 600 "${PYTHON:-python3}" -B "$@") >"$work/log" 2>&1; then
        echo "$name was NOT noticed by $*"
        failures=$((failures + 1))
    else
        echo "$name was noticed: $(grep -m 1 -E '^(WRONG|E  |AssertionError)' "$work/log" | cut -c1-200)"
    fi
    cp "$work/kept" "$work/$source"
}

writer=daemon/store/writer.c
mutant "too-many-unwritten" daemon/delivery/slots.c 1 \
    's/slots->n_flying + slots->n_unwritten < /slots->n_flying < /' faults/kill.py --kills 20
mutant "pending-ones-forgotten-at-the-start" daemon/store/queue.c 1 \
    "s/AND endpoint_id = e.id))\"/AND endpoint_id = e.id)) AND id > 2\"/" faults/kill.py --kills 5
mutant "a-delivery-twice-at-once" daemon/store/queue.c 1 \
    's/if (map_get(&queue->handed_out, sqlite3_column_int64(queue->due, 0)))/if (0)/' faults/kill.py --kills 20
mutant "outcomes-in-no-transaction" $writer 2 \
    's/"BEGIN IMMEDIATE"/"SELECT 1"/; s/"COMMIT"/"SELECT 1"/' faults/sweep.py --every 3 deliver
mutant "migration-in-no-transaction" daemon/store/migration.c 2 \
    's/"BEGIN IMMEDIATE"/"SELECT 1"/; s/r = database_run(database, "COMMIT", error)/r = 0/' \
    faults/sweep.py --every 5 migrate
mutant "sealed-ones-not-overwritten" daemon/store/sealer.c 1 's/; PRAGMA secure_delete = ON//' faults/sweep.py seal
mutant "no-sync-at-a-checkpoint" daemon/store/database.c 1 \
    's/PRAGMA synchronous = NORMAL; PRAGMA secure/PRAGMA synchronous = OFF; PRAGMA secure/' \
    faults/power.py --webhooks 60 --random 1 --runs 2
mutant "a-copy-not-synced" daemon/store/backup.c 1 's/int r = sync_path(temporary, O_RDONLY, error);/int r = 0;/' \
    faults/power_upgrade.py --every 10 --random 1 --runs 2
mutant "the-copys-name-not-synced" daemon/store/safety_copy.c 1 's/backup_rename(fresh, path, error)/rename(fresh, path)/' \
    faults/power_upgrade.py --every 10 --random 1 --runs 2
mutant "no-copy" daemon/store/database.c 1 's/ && !options->no_copy;/ \&\& false;/' \
    faults/power_upgrade.py --every 10 --random 1 --runs 2
mutant "an-upgrade-in-no-transaction" daemon/store/migration.c 2 \
    's/"BEGIN IMMEDIATE"/"SELECT 1"/; s/r = database_run(database, "COMMIT", error)/r = 0/' \
    faults/power_upgrade.py --every 10 --random 1 --runs 20
mutant "sealed-and-not-synced" daemon/store/sealer.c 1 's/PRAGMA synchronous = FULL; PRAGMA secure/PRAGMA secure/' \
    faults/power_sealing.py --secrets 12 --every 50 --random 1 --runs 2
mutant "a-predecessors-secrets-left" daemon/store/sealer.c 1 's/= sealed + first_round;/= sealed;/' \
    faults/power_sealing.py --secrets 12 --every 50 --random 1 --runs 20
mutant "sealed-in-no-transaction" daemon/store/sealer.c 1 's/; BEGIN IMMEDIATE"/; PRAGMA secure_delete = OFF"/' \
    faults/power_sealing.py --secrets 12 --every 50 --random 1 --runs 2
mutant "the-log-not-emptied" daemon/store/store.c 1 's/^    if (sealed)$/    if (sealed < 0)/' \
    faults/power_sealing.py --secrets 12 --every 50 --random 1 --runs 2
mutant "sealed-with-the-old-key" daemon/store/sealer.c 1 's/^    if (sealer->all)$/    if (0)/' \
    faults/power_sealing.py --secrets 12 --every 50 --random 1 --runs 2
mutant "writing-on-after-a-disk-failed" daemon/store/store.c 1 \
    's/bool broken = r == ERROR_DISK || r == ERROR_DAMAGED;/bool broken = false;/' \
    -m pytest -q -p no:cacheprovider e2e/test_disk_faults.py -k input_output
mutant "a-read-error-taken-for-damage" daemon/store/disk.c 1 \
    's/if (\*reason == EIO ||/if (*reason == -EIO ||/' \
    -m pytest -q -p no:cacheprovider e2e/test_disk_faults.py -k input_output
mutant "an-end-at-each-start" daemon/store/store.c 1 's/patience.starting = true;/patience.starting = false;/' \
    -m pytest -q -p no:cacheprovider e2e/test_disk_faults.py -k start
mutant "calls-before-a-write-has-worked" daemon/store/store.c 1 's/r = store_prove(store, error);/r = 0;/' \
    -m pytest -q -p no:cacheprovider e2e/test_disk_faults.py -k start_waits
mutant "told-each-time" daemon/store/patience.c 1 's/REPORT_EVERY_MS = 60000/REPORT_EVERY_MS = 1/' \
    -m pytest -q -p no:cacheprovider e2e/test_disk_faults.py -k comes_and_goes
mutant "sealing-silent" daemon/store/sealer.c 1 's/^    patience_note(.*//' \
    -m pytest -q -p no:cacheprovider e2e/test_disk_faults.py -k 'sealing and space'
mutant "a-leak" $writer 2 \
    's/^    sqlite3_stmt \*statement = writer->attempt;/& static void *volatile lost; lost = malloc(4096); memset(lost, 1, 4096);/
     s/^#include <string.h>/#include <stdlib.h>\n&/' faults/soak.py --seconds 45
mutant "descriptors-left-open" daemon/store/retention.c 2 \
    's/^    int64_t began_us = clock_mono_us();/& (void)!dup(2);/; s/^#include <stddef.h>/&\n#include <unistd.h>/' \
    faults/soak.py --seconds 45
mutant "nothing-deleted" daemon/store/retention.c 1 's/return retention->due_at_us;/return CLOCK_NEVER;/' \
    faults/soak.py --seconds 45
mutant "a-cancelled-call-not-counted" $writer 1 \
    's/attempts = attempts + 1," LAST " WHERE id = ?1"/attempts = attempts + 0," LAST " WHERE id = ?1"/' \
    faults/soak.py --seconds 45

[ "$failures" -eq 0 ]
