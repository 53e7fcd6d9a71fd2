#!/bin/sh
# Breaks everything around the daemon, and looks whether what is promised is kept: see SECURITY.md.
#
#     sh tests/faults/run.sh BUILD            the short forms, two minutes in all
#     sh tests/faults/run.sh BUILD --long     a thousand kills, every change of the disk, an hour of soak
#
# Prints "NAME passed" or "NAME failed" for each, after what it has measured. Ends with 1 when one failed.

set -eu

case "$#:${2-}" in
1:) long= ;;
2:--long) long=yes ;;
*)
    echo "Usage: sh tests/faults/run.sh BUILD [--long]" >&2
    exit 2
    ;;
esac
OUTHOOK_BUILD=$(readlink -f "$1")
export OUTHOOK_BUILD
cd "$(dirname "$0")"
status=0

# part NAME OPTION...: a part that says nothing of how it ended has failed.
part() {
    name=$1
    shift
    log=$(mktemp)
    if ! "${PYTHON:-python3}" -B "$name.py" "$@" >"$log" 2>&1; then
        status=1
        grep -q '^[a-z_]* failed' "$log" || echo "$name failed" >>"$log"
    fi
    cat "$log"
    rm -f "$log"
}

if [ -z "$long" ]; then
    part sweep --every 13
    part kill --kills 40
    part power --webhooks 80 --random 1 --runs 6
    part power --webhooks 30 --control
    part power_upgrade --every 10 --random 1 --runs 5
    part power_sealing --secrets 12 --every 50 --random 1 --runs 5
    part soak --seconds 45
else
    part sweep
    part kill --kills 1000
    part power --webhooks 300 --random 5 --runs 60
    part power --webhooks 60 --control
    part power_upgrade --random 5 --runs 60
    part power_sealing --random 5 --runs 60
    part soak --seconds 3600
fi
exit "$status"
