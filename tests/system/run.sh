#!/bin/bash
# shellcheck disable=SC2317 # the traps call cleanup
# The Debian package under a real systemd: installed into a fresh Debian 12 that boots in a container,
# used, watched, stopped, upgraded and purged.
#
#     bash tests/system/run.sh BUILD             all parts, and a few directives taken away (CI does this)
#     bash tests/system/run.sh BUILD --removed [DIRECTIVE=|PART...]
#                                                all directives of removed.txt taken away, or these, one
#                                                after the other: the part has to fail each time
#     bash tests/system/run.sh BUILD PART...     only these parts: see tests/system/part_*.sh
#
# Prints TAP. What can't be run on this machine is a line "ok … # SKIP" that says why. Everything is
# made in one temporary directory, which is removed at the end; OUTHOOK_KEEP=1 keeps it. By hand, a tree
# that was kept can be used again: OUTHOOK_TREE=/var/tmp/outhook-system.XXXXXX/tree

set -eu

here=$(readlink -f "$(dirname "$0")")
# shellcheck source=tests/system/boot.sh
. "$here/boot.sh"
# shellcheck source=tests/system/build.sh
. "$here/build.sh"

[ $# -ge 1 ] || {
    echo "Usage: bash tests/system/run.sh BUILD [--removed [DIRECTIVE=|PART...] | PART...]" >&2
    exit 2
}
build=$(readlink -f "$1")
shift

number=0
bad=0

# result STATUS TEXT: a line of TAP.
result() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        bad=$((bad + 1))
    fi
}

skip() {
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

finish() {
    echo "1..$number"
    [ "$bad" -eq 0 ]
    exit
}

# pass_on FILE: the lines of a guest's TAP as our own.
pass_on() {
    while IFS= read -r line; do
        case $line in
        "ok "*" # SKIP "*) skip "$(echo "${line%% # SKIP *}" | cut -d' ' -f4-)" "${line##* # SKIP }" ;;
        "ok "*) result 0 "$(echo "$line" | cut -d' ' -f4-)" ;;
        "not ok "*) result 1 "$(echo "$line" | cut -d' ' -f5-)" ;;
        "1.."*) ;;
        *) printf '%s\n' "$line" ;;
        esac
    done <"$1"
}

# start NAME PART...: boots and runs the parts, in the background. What it waits for is little but time.
start() {
    (
        trap boot_cleanup EXIT
        trap 'exit 1' INT TERM
        name=$1
        shift
        boot "$name" "$*" || true
    ) &
    containers="$containers $!"
}

# collect NAME PROCESS: its results, when it has ended.
collect() {
    wait "$2" || true
    pass_on "$work/$1/tap"
    # A guest that ended in the middle has not said so itself.
    grep -q '^1\.\.' "$work/$1/tap" || {
        result 1 "$1: all parts were run"
        tail -n 40 "$work/$1/console" "$work/$1/errors" | sed 's/^/# /'
    }
}

# are_noticed DIRECTIVE=|PART...: whether the part fails when the unit lacks the directive. In as many
# containers at once.
are_noticed() {
    processes=
    for pair in "$@"; do
        without=${pair%|*}
        start "removed-${without%=}" "${pair#*|}"
        processes="$processes $!"
    done
    without=
    # shellcheck disable=SC2086 # a list of numbers
    wait $processes || true
    for pair in "$@"; do
        directive=${pair%|*}
        tap=$work/removed-${directive%=}/tap
        if grep -q '^not ok' "$tap"; then
            result 0 "without $directive: $(grep -m 1 '^not ok' "$tap" | cut -d' ' -f5-)"
        else
            result 1 "without $directive the part ${pair#*|} fails"
            tail -n 5 "${tap%/tap}/console" | sed 's/^/# /'
        fi
    done
}

# ---- what it needs ------------------------------------------------------------------------------

reason=$(boot_reason)
if [ -n "$reason" ]; then
    skip "the package under a real systemd" "$reason"
    finish
fi

work=$(mktemp -d /var/tmp/outhook-system.XXXXXX)
tree=
containers=
cleanup() {
    for process in $tree $containers; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    boot_cleanup
    [ -n "${OUTHOOK_KEEP-}" ] || rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# The tree is fetched while the packages are compiled.
make_tree "$work/tree" >"$work/tree.log" 2>&1 &
tree=$!
make_packages "$build" "$work"
fetched=0
wait "$tree" || fetched=1
tree=
if [ "$fetched" -ne 0 ]; then
    tail -n 3 "$work/tree.log" | sed 's/^/# /'
    skip "the package under a real systemd" "no Debian 12 could be fetched from this machine's mirror"
    finish
fi

# ---- all of it ----------------------------------------------------------------------------------

case ${1-} in
--removed)
    shift
    pairs=$(grep -v '^#' "$here/removed.txt")
    [ $# -eq 0 ] || pairs=$(printf '%s\n' "$@")
    while [ -n "$pairs" ]; do
        # shellcheck disable=SC2046 # a list of words
        are_noticed $(echo "$pairs" | head -n 3)
        pairs=$(echo "$pairs" | tail -n +4)
    done
    ;;
"")
    check_package
    # In two containers at once, each with less than a minute and a half to do.
    start one install enqueue ready status reload journal credentials sandbox
    first=$!
    start two crash setback watchdog drain upgrade
    second=$!
    collect one "$first"
    collect two "$second"
    # A few; --removed does them all.
    are_noticed 'WatchdogSec=|watchdog' 'StateDirectoryMode=|enqueue' 'PrivateUsers=|sandbox'
    ;;
*)
    start some "$@"
    collect some $!
    ;;
esac
finish
