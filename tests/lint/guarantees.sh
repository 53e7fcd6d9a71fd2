#!/bin/sh
# Each test that SECURITY.md names has to exist.

set -eu

cd "$(dirname "$0")/../.."
# shellcheck disable=SC2016 # backquotes of Markdown
names=$(grep -o '`tests/[a-z0-9_/]*[.a-z]*' SECURITY.md | tr -d '`' | sort -u)
[ -n "$names" ] || {
    echo "SECURITY.md names no tests"
    exit 1
}
status=0
for name in $names; do
    [ -e "$name" ] || {
        echo "SECURITY.md names $name, which does not exist"
        status=1
    }
done
exit "$status"
