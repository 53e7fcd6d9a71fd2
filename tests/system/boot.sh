# shellcheck shell=bash disable=SC2034,SC2154 # what run.sh has
# Sourced by run.sh: boots the tree in a container, runs parts in it, and leaves nothing behind.
#
# The container has cgroups of its own (cgroup2 only), no network but its own, and may use bpf() and
# keyrings, so that systemd applies all of the sandbox. Writes go to memory, so that each boot finds the
# tree as it was made.

# Where groups of processes are made: one directory for each hierarchy that systemd uses.
boot_hierarchies() {
    for directory in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
        [ -e "$directory/cgroup.procs" ] && [ -w "$directory" ] && echo "$directory"
    done
    true
}

# Why nothing can be booted here; nothing is printed when it can.
boot_reason() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "only root can boot a container"
    elif ! command -v systemd-nspawn >/dev/null; then
        echo "systemd-nspawn is missing (Debian's systemd-container)"
    elif ! command -v mmdebstrap >/dev/null; then
        echo "mmdebstrap is missing"
    elif [ -z "$(boot_hierarchies)" ]; then
        echo "this machine gives no cgroups"
    elif ! boot_try_overlay; then
        echo "this machine lets nobody mount an overlay"
    fi
}

boot_try_overlay() {
    try=$(mktemp -d /dev/shm/outhook-try.XXXXXX)
    mkdir "$try/low" "$try/up" "$try/work" "$try/root"
    tried=0
    mount -t overlay overlay -o "lowerdir=$try/low,upperdir=$try/up,workdir=$try/work" "$try/root" 2>/dev/null || tried=1
    [ "$tried" -ne 0 ] || umount "$try/root"
    rm -rf --one-file-system "$try"
    return "$tried"
}

boot_write_unit() {
    cat >"$1/etc/systemd/system/parts.service" <<END
[Unit]
After=multi-user.target
SuccessAction=exit-force
FailureAction=exit-force
SuccessActionExitStatus=0
FailureActionExitStatus=1
[Service]
Type=oneshot
Environment=WITHOUT='${without-}'
ExecStart=/bin/bash /lab/guest.sh $2
StandardOutput=append:/out/tap
StandardError=append:/out/errors
TimeoutStartSec=300
END
    mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
    ln -sf ../parts.service "$1/etc/systemd/system/multi-user.target.wants/parts.service"
    # A console that is no terminal keeps the container waiting.
    ln -sf /dev/null "$1/etc/systemd/system/console-getty.service"
}

# boot NAME "PART...": what it printed is in $work/NAME afterwards. With $without, the unit of the
# package loses the lines that begin so.
boot() {
    out=$work/$1
    memory=$(mktemp -d /dev/shm/outhook-boot.XXXXXX)
    group=outhook-$$-${memory##*.}
    mkdir -p "$out" "$memory/up" "$memory/work" "$memory/root"
    mount -t overlay overlay -o "lowerdir=$work/tree,upperdir=$memory/up,workdir=$memory/work" "$memory/root"
    mkdir -p "$memory/root/lab" "$memory/root/out"
    boot_write_unit "$memory/root" "$2"
    : >"$out/tap"
    for hierarchy in $(boot_hierarchies); do
        mkdir "$hierarchy/$group"
    done
    booted=0
    (
        for hierarchy in $(boot_hierarchies); do
            echo "$BASHPID" >"$hierarchy/$group/cgroup.procs"
        done
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        exec timeout -k 10 "${OUTHOOK_LIMIT_S:-280}" systemd-nspawn -q -M "$group" -D "$memory/root" \
            --register=no --keep-unit --console=read-only --private-network \
            --system-call-filter='bpf @keyring' --bind-ro="$work/lab:/lab" --bind="$out:/out" \
            --boot systemd.unit=multi-user.target systemd.show_status=no
    ) </dev/null >"$out/console" 2>&1 &
    container=$!
    wait "$container" || booted=$?
    container=
    boot_cleanup
    return "$booted"
}

boot_cleanup() {
    [ -n "${memory-}" ] || return 0
    if [ -n "${container-}" ]; then
        kill "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    umount "$memory/root" 2>/dev/null || true
    rm -rf --one-file-system "$memory"
    for hierarchy in $(boot_hierarchies); do
        [ ! -d "$hierarchy/$group" ] || find "$hierarchy/$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
    memory=
}
