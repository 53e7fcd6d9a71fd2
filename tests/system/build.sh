# shellcheck shell=bash disable=SC2034,SC2154 # what run.sh has
# Sourced by run.sh: the package, the one that comes after it, and the tree they are installed into.

# make_packages BUILD WORK: this version, and a later one that has one migration more.
make_packages() {
    mkdir -p "$2/lab" "$2/next"
    cmake --build "$1" --target package >"$2/package.log" 2>&1 || {
        tail -n 20 "$2/package.log" | sed 's/^/# /'
        result 1 "cmake --build build --target package makes a package"
        finish
    }
    result 0 "cmake --build build --target package makes a package"
    cp "$1"/outhook_*.deb "$2/lab/outhook.deb"

    tar -C "$here/../.." -cf - CMakeLists.txt CHANGELOG.md LICENSE README.md daemon debian include migrations systemd |
        tar -C "$2/next" -xf -
    newest=$(find "$2/next/migrations" -name '*.sql' | wc -l)
    {
        echo "-- What a later version might bring: a column, filled for the rows that are there."
        echo "ALTER TABLE webhooks ADD COLUMN note TEXT;"
    } >"$2/next/migrations/$(printf %04d $((newest + 1)))_note.sql"
    sed -i '1s/(\([^)]*\))/(\1+next)/' "$2/next/debian/changelog"
    sh "$2/next/debian/package.sh" "$2/next" "$2/next" >>"$2/package.log" 2>&1 || {
        tail -n 20 "$2/package.log" | sed 's/^/# /'
        result 1 "the next version's package is made"
        finish
    }
    cp "$2/next"/outhook_*.deb "$2/lab/next.deb"
    echo "$newest" >"$2/lab/schema"

    "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -static -o "$2/lab/probe" "$here/probe.c" || {
        result 1 "the probe of the sandbox is built"
        finish
    }
    cp "$here"/guest.sh "$here"/part_*.sh "$2/lab/"
}

# The packages beside the smallest Debian: an init, what ours depends on, and what the parts use.
make_tree() {
    if [ -n "${OUTHOOK_TREE-}" ] && [ -e "$OUTHOOK_TREE/etc/debian_version" ]; then
        ln -s "$OUTHOOK_TREE" "$1"
        return
    fi
    depends=libcurl4,libinih1,libjemalloc2,libmicrohttpd12,libsqlite3-0,libssl3,libsystemd0,libuv1,ca-certificates
    # Whatever made this system chose the name; mmdebstrap's own is 0000debian.sources. None: Debian's mirror.
    sources=()
    for file in /etc/apt/sources.list.d/*debian.sources /etc/apt/sources.list; do
        ! grep -qs '^[^#]*bookworm' "$file" || [ "${#sources[@]}" -gt 0 ] || sources=("$file")
    done
    # What it mounts in the tree goes with its own mount namespace, even when it is killed.
    unshare --mount --propagation private mmdebstrap --variant=minbase --mode=root \
        --include="systemd,systemd-sysv,dbus,procps,sqlite3,socat,dnsmasq-base,openssl,$depends" \
        --dpkgopt=path-exclude=/usr/share/locale/* --aptopt='APT::Update::Error-Mode "any"' \
        bookworm "$1" "${sources[@]}"
}

check_package() {
    if command -v lintian >/dev/null; then
        lintian --allow-root --fail-on error --display-level '>=warning' "$work/lab/outhook.deb" >"$work/lintian" 2>&1
        result $? "lintian finds no errors"
        sed 's/^/# /' "$work/lintian"
    else
        skip "lintian finds no errors" "lintian is not installed"
    fi
}
