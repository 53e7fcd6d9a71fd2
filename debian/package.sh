#!/bin/sh
# Makes the Debian package, which is left in the build directory. `cmake --build build --target
# package` calls it.
#
#     sh debian/package.sh SOURCE BUILD

set -eu

source=$(readlink -f "$1")
build=$(readlink -f "$2")

command -v dh >/dev/null || {
    echo "The package is made by debhelper, which is missing: apt-get install build-essential debhelper" >&2
    exit 1
}
unmet=$(dpkg-checkbuilddeps "$source/debian/control" 2>&1) || {
    echo "${unmet##*error: }. As root, run: apt-get build-dep $source" >&2
    exit 1
}

# A copy, so that nothing is left in the source tree.
work=$build/package
rm -rf "$work"
mkdir -p "$work/outhook"
tar -C "$source" -cf - CMakeLists.txt CHANGELOG.md LICENSE README.md daemon debian include migrations systemd |
    tar -C "$work/outhook" -xf -

cd "$work/outhook"
jobs=$(nproc)
DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:+$DEB_BUILD_OPTIONS }parallel=$jobs" \
    dpkg-buildpackage --unsigned-changes --build=binary >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    echo "The package was not made; the whole log is $work/log" >&2
    exit 1
}
for file in "$work"/outhook_*.deb; do
    mv "$file" "$build/"
    echo "$build/${file##*/}"
done
