#!/bin/bash
# shellcheck disable=SC2034,SC1090 # for the parts
# Runs inside the booted system, as a service of its own: the parts that are named, in order. Prints TAP.

export LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 SYSTEMD_PAGER="" DEBIAN_FRONTEND=noninteractive
db=/var/lib/outhook/outhook.db
conf=/etc/outhook/outhookd.conf
unit=/lib/systemd/system/outhookd.service
number=0
bad=0

# ---- results ------------------------------------------------------------------------------------

# One is enough where it is only asked whether there is any.
failed() {
    bad=$((bad + 1))
    [ -z "$WITHOUT" ] || exit 1
}

# is TEXT COMMAND...: a result by the command's status.
is() {
    local text=$1
    shift
    number=$((number + 1))
    if "$@" >/tmp/last 2>&1; then
        echo "ok $number - $part: $text"
    else
        echo "not ok $number - $part: $text"
        echo "# $*"
        tail -n 5 /tmp/last | sed 's/^/# /'
        failed
    fi
}

# same TEXT GOT EXPECTED
same() {
    number=$((number + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $number - $part: $1"
    else
        echo "not ok $number - $part: $1"
        printf 'got %s, not %s\n' "$2" "$3" | sed 's/^/# /'
        failed
    fi
}

skip() {
    number=$((number + 1))
    echo "ok $number - $part: $1 # SKIP $2"
}

not() { ! "$@"; }

# soon SECONDS COMMAND...: whether it becomes true in time.
soon() {
    local until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until" ] || return 1
        sleep 0.05
    done
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# ---- the service --------------------------------------------------------------------------------

property() { systemctl show -P "$1" "${2:-outhookd}"; }
main_pid() { property MainPID; }
running() { [ "$(property SubState)" = running ]; }
is_property() { [ "$(property "$1")" = "$2" ]; }
status_has() { property StatusText | grep -q -- "$1"; }
journal_has() { journalctl --sync && journalctl -u outhookd -o cat --no-pager | grep -q -- "$1"; }

# The configuration of the parts: with receivers on this machine.
configure() {
    printf 'allow_networks = 127.0.0.0/8\n' >$conf
    printf '%s\n' "$@" >>$conf
}

# change SED...: changes the unit in place of the package's, and applies it. Without arguments: undoes.
change() {
    rm -f /etc/systemd/system/outhookd.service
    if [ $# -gt 0 ]; then
        sed "$@" $unit >/etc/systemd/system/outhookd.service
    fi
    systemctl daemon-reload
}

restart() {
    systemctl reset-failed outhookd 2>/dev/null || true
    timeout 30 systemctl restart outhookd
}

# ---- the database -------------------------------------------------------------------------------

# sql STATEMENT: as root, who is not part of this, only looks.
sql() { sqlite3 -cmd '.timeout 10000' "${2:-$db}" "$1"; }
sql_is() { [ "$(sql "$1")" = "$2" ]; }
as() { runuser -u "$1" -- "${@:2}"; }
enqueue() { as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (url, payload) VALUES ('http://127.0.0.1:$1/hook', '${2:-x}')"; }
pending() { sql "SELECT count(*) FROM deliveries WHERE status = 'pending'"; }
nothing_pending() { [ "$(pending)" = 0 ]; }

# ---- receivers ----------------------------------------------------------------------------------

# receiver PORT OPTION...: prints what it gets to /run/receiver-PORT.
receiver() {
    local port=$1
    shift
    : >"/run/receiver-$port"
    systemctl stop "receiver-$port" 2>/dev/null
    systemd-run -q --collect --unit="receiver-$port" -p "StandardOutput=append:/run/receiver-$port" \
        /usr/bin/outhook listen --json "$@" "$port"
    soon 10 socat -u OPEN:/dev/null "TCP:127.0.0.1:$port"
}

received() { grep -c '"webhook-id"' "/run/receiver-$1"; }
received_some() { [ "$(received "$1")" -ge "${2:-1}" ]; }

# lock SECONDS: holds the database's write lock for so long, in the background.
lock() {
    (
        printf 'BEGIN IMMEDIATE;\n.system touch /tmp/locked\n.system sleep %s\nCOMMIT;\n' "$1"
    ) | as alice sqlite3 -cmd '.timeout 10000' $db &
    locker=$!
    soon 10 test -e /tmp/locked || return 1
    rm -f /tmp/locked
}

# ---- all of it ----------------------------------------------------------------------------------

umask 022
useradd -m alice
useradd -m mallory

part=install
if dpkg -i /lab/outhook.deb >/out/dpkg 2>&1; then
    installed=0
else
    installed=1
fi
usermod -aG outhook alice
if [ -n "$WITHOUT" ]; then
    sed -i "/^$WITHOUT/d" $unit
    systemctl daemon-reload
    restart
fi

for part in "$@"; do
    start=$(date +%s)
    . "/lab/part_$part.sh"
    echo "# $part took $(($(date +%s) - start)) s"
done
echo "1..$number"
journalctl --no-pager -o short-monotonic >/out/journal 2>&1
[ $bad -eq 0 ]
