# shellcheck shell=sh
# Sourced by quickstart.sh and tests/run.sh: sees that Debian packages are there.

# What the programs are built with, and the sqlite3 command, which enqueues.
# shellcheck disable=SC2034 # it is used by those who source this
packages_to_build="gcc libc6-dev make cmake pkg-config
    libuv1-dev libcurl4-openssl-dev libsqlite3-dev libssl-dev libsystemd-dev
    libinih-dev libjemalloc-dev libmicrohttpd-dev libcmocka-dev sqlite3 ca-certificates"

package_is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs apt-get as root, without a question of its own. sudo may ask for a password.
packages_apt() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
    fi
}

# packages_install LOG PACKAGE...: installs those that are missing; nothing is called when none is.
# apt's own words go to LOG. On a failure a sentence has been printed.
packages_install() {
    packages_log=$1
    shift
    command -v dpkg-query >/dev/null || {
        echo "This is not Debian, so nothing is installed; what has to be there: $*"
        return 0
    }
    packages_missing=
    for package in "$@"; do
        package_is_installed "$package" ||
            packages_missing="$packages_missing${packages_missing:+ }$package"
    done
    [ -n "$packages_missing" ] || return 0

    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "Packages are missing. As root, run: apt-get install $packages_missing" >&2
        return 1
    fi
    echo "Installing what is missing with apt-get:"
    for package in $packages_missing; do
        echo "  $package"
    done
    # With old package lists the installation may still succeed, so that one decides.
    packages_apt -o APT::Update::Error-Mode=any update >"$packages_log" 2>&1 ||
        echo "apt-get update failed; trying with the package lists that are here."
    # shellcheck disable=SC2086 # a list of words
    packages_apt install -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 $packages_missing >>"$packages_log" 2>&1 </dev/null || {
        tail -n 20 "$packages_log" >&2
        if [ "$(id -u)" -eq 0 ]; then
            echo "apt-get could not install: $packages_missing" >&2
        else # sudo may not have let this user
            echo "They could not be installed. As root, run: apt-get install $packages_missing" >&2
        fi
        return 1
    }
}
