#!/bin/sh
# Holds the unit's sandbox against what is promised (an exposure of 1.5 or less), and the package's version
# against the program's. Ends with 1 when they differ.

set -eu

cd "$(dirname "$0")/../.."
status=0

version=$(sed -n 's/^project(outhook VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
packaged=$(sed -n '1s/^outhook (\([^)]*\)).*/\1/p' debian/changelog)
[ "$version" = "$packaged" ] || {
    echo "CMakeLists.txt has version $version, debian/changelog $packaged" >&2
    status=1
}
# What it says of a unit that is not installed; tests/system asks a systemd that runs it.
if command -v systemd-analyze >/dev/null; then
    systemd-analyze security --offline=yes --threshold=15 --no-pager systemd/outhookd.service || status=1
fi
exit "$status"
