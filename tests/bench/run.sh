#!/bin/sh
# The benchmark: builds what it needs and runs all of its parts, or some.
#
#     sh tests/bench/run.sh                     all of it, in full size
#     sh tests/bench/run.sh --quick             small sizes: whether it works, and what is far off
#     sh tests/bench/run.sh --part a --part f   parts of it; --help says which, and what else can be said
#
# Installs what is missing with apt, and builds into build/, or what OUTHOOK_BUILD names. Prints a table;
# bench.json and the plots are left in bench-results/ of that directory. Nothing leaves this machine: the
# receiver is on loopback.

set -eu

cd "$(dirname "$0")/../.."
. daemon/packages.sh

build=${OUTHOOK_BUILD:-build}
mkdir -p "$build"
# shellcheck disable=SC2154,SC2086 # a list of words
packages_install "$build/apt.log" $packages_to_build libnghttp2-dev openssl python3 || exit 1

log=$build/bench-build.log
{ cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DOUTHOOK_BENCH=ON &&
    cmake --build "$build" --parallel "$(nproc)"; } >"$log" 2>&1 || {
    tail -n 40 "$log"
    echo "It could not be built; all of what was said is in $log." >&2
    exit 1
}
OUTHOOK_BUILD=$(cd "$build" && pwd)
export OUTHOOK_BUILD
exec python3 -B tests/bench/suite.py "$@"
