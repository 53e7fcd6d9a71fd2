#!/bin/sh
# Runs the fuzzers, as many at once as there are processors.
#
#     sh tests/fuzz/run.sh BUILD SECONDS [NAME...]     such as: sh tests/fuzz/run.sh build-fuzz 600 url headers
#
# BUILD was made with OUTHOOK_FUZZ=ON. Each starts from its kept corpus (tests/fuzz/corpus/NAME) and what earlier runs
# have left in BUILD/fuzz/found/NAME. Prints a line for each: "NAME passed" or "NAME failed", and then what it said.
# An input that fails is left in BUILD/fuzz as NAME-crash-… : it belongs into the corpus, and into a unit test.
# Ends with 1 when one failed.

set -eu

[ $# -ge 2 ] || {
    echo "Usage: sh tests/fuzz/run.sh BUILD SECONDS [NAME...]" >&2
    exit 2
}
build=$(readlink -f "$1")
seconds=$2
shift 2
cd "$(dirname "$0")"

if [ $# -eq 0 ]; then
    for fuzzer in "$build"/fuzz/fuzz_*; do
        set -- "$@" "${fuzzer##*/fuzz_}"
    done
fi

# One fuzzer, told by name.
# shellcheck disable=SC2016 # the inner shell expands it
fuzz='
    name=$3
    found=$1/fuzz/found/$name
    mkdir -p "$found"
    if nice "$1/fuzz/fuzz_$name" -max_total_time="$2" -timeout=20 -rss_limit_mb=1024 -max_len=4096 \
        -print_final_stats=1 -artifact_prefix="$1/fuzz/$name-" "$found" "corpus/$name" \
        >"$1/fuzz/$name.log" 2>&1; then
        echo "$name passed: $(sed -n "s/^stat::number_of_executed_units: *//p" "$1/fuzz/$name.log") inputs"
    else
        echo "$name failed"
        tail -n 40 "$1/fuzz/$name.log"
        exit 1
    fi
'
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c "$fuzz" sh "$build" "$seconds" || exit 1
