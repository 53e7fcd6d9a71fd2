#!/bin/sh
# Holds the scripts against shellcheck. Ends with 77, which ctest shows as skipped, without it.

set -eu

cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || {
    echo "shellcheck is not installed"
    exit 77
}
find daemon debian tests .ci \( -name "*.sh" -o -path .ci/run \) -not -path "*/node_modules/*" -print0 | sort -z |
    xargs -0 shellcheck -x
