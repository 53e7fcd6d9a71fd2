#!/bin/sh
# Holds the scripts against shellcheck. Ends with 77, which ctest shows as skipped, without it.

set -eu

cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || {
    echo "shellcheck is not installed"
    exit 77
}
shellcheck -x daemon/quickstart.sh tests/run.sh tests/lint/*.sh tests/fuzz/*.sh debian/package.sh \
    .ci/run
