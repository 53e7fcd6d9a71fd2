#!/bin/sh
# Builds everything and runs every test.
#
#     sh tests/run.sh            all of it: gcc and clang, faults of all kinds, the package under a real
#                                systemd, the tests again with ASan, UBSan and TSan, and the fuzzers, for a
#                                minute each
#     sh tests/run.sh --quick    the ordinary build and its tests
#
# Installs what is missing with apt. The last line is "N passed, N failed": tests of ctest and pytest,
# faults, checks of the package; a build that fails counts as one. Ends with 1 when anything failed.

set -eu

cd "$(dirname "$0")/.."
. daemon/packages.sh
. daemon/children.sh

case "$#:${1-}" in
0:) quick= ;;
1:--quick) quick=yes ;;
*)
    echo "Usage: sh tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

make_directory outhook-tests
passed=0
failed=0
jobs=$(nproc)

packages_to_test="
    build-essential
    clang
    debhelper
    faketime
    iproute2
    less
    libclang-rt-14-dev
    lintian
    libnghttp2-dev
    mandoc
    mmdebstrap
    openssl
    procps
    python3
    python3-h2
    python3-pytest
    python3-pytest-xdist
    shellcheck
    systemd-container
    util-linux
    valgrind
    zsh
"
# shellcheck disable=SC2154,SC2086 # lists of words
packages_install "$directory/apt.log" $packages_to_build $packages_to_test || exit 1
# With these, the libraries of receivers verify what is sent to them. They may come from elsewhere.
command -v npm >/dev/null || packages_install "$directory/apt.log" nodejs npm || exit 1

# Debian's own, which the packages above belong to, unless another one comes first and has pytest, too.
python=
for candidate in python3 /usr/bin/python3; do
    [ -n "$python" ] || ! "$candidate" -c 'import pytest' 2>/dev/null || python=$candidate
done
[ -n "$python" ] || {
    echo "No python3 here can import pytest; on Debian that is python3-pytest." >&2
    exit 1
}
PYTHON=$python
export PYTHON

# A report of a sanitizer ends the program, with a status that no test expects. The end-to-end tests
# also look for reports in what the programs print.
ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:exitcode=99:strict_string_checks=1:detect_stack_use_after_return=1
LSAN_OPTIONS=exitcode=99
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
TSAN_OPTIONS=halt_on_error=1:exitcode=99:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp:print_suppressions=0
export ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

# ThreadSanitizer can't place its memory where the kernel randomizes addresses widely.
plain_addresses=
! setarch -R true 2>/dev/null || plain_addresses="setarch -R"

# ---- parts -------------------------------------------------------------------------------------

begin() {
    part=$1
    part_start=$(date +%s)
    printf '\n== %s\n' "$part"
}

# end PASSED FAILED [NOTE]
end() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    printf '%-28s %5d passed %4d failed %5d s  %s\n' "$part" "$1" "$2" \
        "$(($(date +%s) - part_start))" "${3-}" | tee -a "$directory/summary"
}

# run COMMAND...: its status is left in $run_status. Ctrl-C ends it and what it started.
run() {
    start "$@"
    run_status=0
    wait "$child" || run_status=$?
    stop "$child"
}

# build DIRECTORY TITLE COMPILER OPTION...: nothing is counted when it succeeds.
build() {
    build_directory=$1
    begin "$2"
    CC=$3
    export CC
    shift 3
    run cmake -B "$build_directory" -DOUTHOOK_WERROR=ON -DOUTHOOK_TESTS=ON "$@" >"$directory/build.log" 2>&1
    [ "$run_status" -ne 0 ] ||
        run cmake --build "$build_directory" --parallel "$jobs" >>"$directory/build.log" 2>&1
    if [ "$run_status" -eq 0 ]; then
        end 0 0 "built"
        return 0
    fi
    tail -n 60 "$directory/build.log"
    end 0 1 "not built"
    return 1
}

# junit FILE ATTRIBUTE: a number of the <testsuite>, or nothing.
junit() {
    tr '\n\t' '  ' <"$1" | grep -o '<testsuite [^>]*' | sed -n "s/.* $2=\"\([0-9]*\)\".*/\1/p" | head -n 1
}

# count FILE STATUS: adds up the results of a part whose command ended with STATUS.
count() {
    tests=$(junit "$1" tests 2>/dev/null || true)
    failures=$(junit "$1" failures 2>/dev/null || true)
    errors=$(junit "$1" errors 2>/dev/null || true)
    skipped=$(junit "$1" skipped 2>/dev/null || true)
    failures=$((${failures:-0} + ${errors:-0}))
    good=$((${tests:-0} - failures - ${skipped:-0}))
    # It failed otherwise: it crashed, or found no tests.
    if { [ "$2" -ne 0 ] || [ "$good" -eq 0 ]; } && [ "$failures" -eq 0 ]; then
        failures=1
    fi
    note=
    [ "${skipped:-0}" -eq 0 ] || note="$skipped skipped"
    end "$good" "$failures" "$note"
}

# run_ctest DIRECTORY TITLE OPTION...
run_ctest() {
    ctest_directory=$1
    begin "$2"
    shift 2
    rm -f "$directory/ctest.xml"
    # shellcheck disable=SC2086 # two words or none
    run $plain_addresses ctest --test-dir "$ctest_directory" --output-on-failure --no-tests=error \
        --timeout 600 --parallel "$jobs" --output-junit "$directory/ctest.xml" "$@"
    count "$directory/ctest.xml" "$run_status"
}

# run_e2e DIRECTORY TITLE
run_e2e() {
    OUTHOOK_BUILD=$PWD/$1
    export OUTHOOK_BUILD
    begin "$2"
    rm -f "$directory/e2e.xml"
    set --
    if "$python" -c 'import xdist' 2>/dev/null; then
        set -- -n "$((jobs < 3 ? 3 : 4))"
    fi
    stop_signal=INT # upon which pytest ends what its tests have started
    # shellcheck disable=SC2086 # two words or none
    run $plain_addresses "$python" -B -m pytest -q --tb=short -p no:cacheprovider \
        --junitxml "$directory/e2e.xml" "$@" tests/e2e
    stop_signal=TERM
    count "$directory/e2e.xml" "$run_status"
}

# run_system DIRECTORY TITLE: the Debian package under a real systemd. Where there can be none, it says so
# and is skipped.
run_system() {
    begin "$2"
    run bash tests/system/run.sh "$1" >"$directory/system.tap" 2>&1
    cat "$directory/system.tap"
    good=$(grep '^ok ' "$directory/system.tap" | grep -vc ' # SKIP ' || true)
    bad=$(grep -c '^not ok ' "$directory/system.tap" || true)
    skipped=$(grep -c '^ok .* # SKIP ' "$directory/system.tap" || true)
    if [ "$bad" -eq 0 ] && { [ "$run_status" -ne 0 ] || [ "$((good + skipped))" -eq 0 ]; }; then
        bad=1
    fi
    note=
    [ "$skipped" -eq 0 ] || note="$skipped skipped"
    end "$good" "$bad" "$note"
}

# run_parts TITLE COMMAND...: each line "NAME passed" or "NAME failed" that it prints counts as a test.
run_parts() {
    begin "$1"
    shift
    run "$@" >"$directory/parts.log" 2>&1
    cat "$directory/parts.log"
    good=$(grep -c '^[a-z_]* passed' "$directory/parts.log" || true)
    bad=$(grep -c '^[a-z_]* failed' "$directory/parts.log" || true)
    if { [ "$run_status" -ne 0 ] || [ "$good" -eq 0 ]; } && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    end "$good" "$bad"
}

# ---- all of it -----------------------------------------------------------------------------------

: >"$directory/summary"

if build build "gcc: build" gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DOUTHOOK_BENCH=ON; then
    run_ctest build "gcc: ctest"
    run_e2e build "gcc: end to end"
    [ -n "$quick" ] || run_parts "gcc: faults" sh tests/faults/run.sh build
    [ -n "$quick" ] || run_system build "the package under systemd"
fi
if [ -z "$quick" ]; then
    build build-clang "clang: build" clang -DCMAKE_BUILD_TYPE=RelWithDebInfo || true
    for sanitizer in asan:Asan tsan:Tsan; do
        name=${sanitizer%:*}
        if build "build-$name" "$name: build" gcc -DCMAKE_BUILD_TYPE="${sanitizer#*:}"; then
            run_ctest "build-$name" "$name: ctest" --tests-regex '^(unit|fuzz)\.'
            run_e2e "build-$name" "$name: end to end"
        fi
    done
    if build build-fuzz "fuzz: build" clang -DOUTHOOK_FUZZ=ON; then
        run_parts "fuzz: a minute each" sh tests/fuzz/run.sh build-fuzz 60
    fi
fi

printf '\n'
cat "$directory/summary"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
