#!/bin/sh
# Shows all of outhook on this machine: builds it, starts it, and sends webhooks to receivers here.
#
#     sh daemon/quickstart.sh           stays until Ctrl-C, so that you can go on by hand
#     sh daemon/quickstart.sh --once    ends after the show: 0 when all of it was seen
#
# Everything it starts and writes is gone at its end, except the build directory and packages that
# it had to install. Without missing packages it needs neither root nor a network.

# shellcheck disable=SC2317 # some functions are reached through wait_until only
set -eu

cd "$(dirname "$0")/.."
. daemon/packages.sh
. daemon/children.sh

case "$#:${1-}" in
0:) once= ;;
1:--once) once=yes ;;
*)
    echo "Usage: sh daemon/quickstart.sh [--once]" >&2
    exit 2
    ;;
esac

fail() {
    printf '\nquickstart: %s\n' "$1" >&2
    exit 1
}

# ---- building ------------------------------------------------------------------------------------

# build_step COMMAND...: quiet, unless it fails.
build_step() {
    printf '$ %s\n' "$*"
    start "$@" >"$directory/build.log" 2>&1
    if wait "$child"; then
        stop "$child"
    else
        tail -n 30 "$directory/build.log" >&2
        fail "outhook could not be built; the lines above say why."
    fi
}

make_directory outhook-quickstart
# On a full disk what would explain a failure could not be written either.
free_mib=$(($(stat --file-system --format='%a * %S' "$directory") / 1048576))
[ "$free_mib" -ge 16 ] ||
    fail "only $free_mib MiB are free in ${TMPDIR:-/tmp}, and it takes 16. Make room, or let TMPDIR name another place."
# shellcheck disable=SC2154,SC2086 # a list of words, from packages.sh
packages_install "$directory/apt.log" $packages_to_build || exit 1

echo "Building outhook into build/:"
echo
build_step cmake -B build
build_step cmake --build build --target outhook outhookd --parallel "$(nproc)"

# ---- what is shown -------------------------------------------------------------------------------

OUTHOOK_DATABASE=$directory/outhook.db
export OUTHOOK_DATABASE

# query SQL: prints a value, for the script itself. No ~/.sqliterc, and it waits for locks.
query() {
    sqlite3 -batch -init /dev/null -cmd '.timeout 5000' "$OUTHOOK_DATABASE" "$1" 2>>"$directory/query.log"
}

# wait_until SECONDS WHAT COMMAND...: polls the command until it succeeds.
wait_until() {
    tries=$(($1 * 10))
    wait_what=$2
    shift 2
    until "$@"; do
        tries=$((tries - 1))
        is_alive "$daemon" || {
            cat "$directory/outhookd.log" >&2
            fail "outhookd has ended; its last lines are above."
        }
        [ "$tries" -gt 0 ] || {
            cat "$directory/outhookd.log" >&2
            fail "waited in vain: $wait_what. The daemon's log is above."
        }
        sleep 0.1
    done
}

# receive FILE ARGUMENT...: starts `outhook listen`; leaves the process in $child, its URL in $url.
receive() {
    receive_output=$1
    shift
    start build/outhook listen "$@" >"$receive_output" 2>&1
    wait_until 10 "outhook listen $* did not start" receiver_has_url
}

receiver_has_url() {
    is_alive "$child" || {
        cat "$receive_output" >&2
        fail "outhook listen has ended; it said what is above."
    }
    url=$(sed -n 's|^listening on \(http://[^ ]*\)/$|\1|p' "$receive_output")
    [ -n "$url" ]
}

# show_sql SQL: prints the command as a person would type it, and runs it. Leaves what it printed in
# $printed.
show_sql() {
    # shellcheck disable=SC2016 # to be read, not expanded
    printf '\n$ sqlite3 $OUTHOOK_DATABASE <<"SQL"\n.timeout 5000\n%s\nSQL\n' "$1"
    printed=$(printf '.timeout 5000\n%s\n' "$1" | sqlite3 -batch "$OUTHOOK_DATABASE" 2>"$directory/sql.log") || {
        cat "$directory/sql.log" >&2
        fail "sqlite3 refused that; its words are above."
    }
    [ -z "$printed" ] || printf '%s\n' "$printed"
}

# show_log DELIVERY NUMBER: the daemon's last lines about a delivery, without what repeats.
show_log() {
    printf '\nouthookd logged:\n'
    sed -n "s/^[^T]*T\([0-9:.]*\)Z [a-z]*: delivery=$1 webhook=[0-9]* endpoint=[^ ]* /  \1 /p" \
        "$directory/outhookd.log" | tail -n "$2"
}

delivery_is() {
    [ "$(query "SELECT status FROM deliveries WHERE id = $1")" = "$2" ]
}

# expect_attempts DELIVERY NUMBER
expect_attempts() {
    made=$(query "SELECT count(*) FROM attempts WHERE delivery_id = $1")
    [ "$made" = "$2" ] || fail "delivery $1 took $made attempts, not $2."
}

# has_received FILE TEXT: the receiver has printed it.
has_received() {
    grep -qF "$2" "$1"
}

title() {
    printf '\n---- %s ----\n\n' "$1"
}

daemon_is_ready() {
    grep -q ' ready: ' "$directory/outhookd.log"
}

# The settings of an installed outhook have no say here.
also=
[ ! -e /etc/outhook/outhookd.conf ] || also=" --config /dev/null"

title "Starting"
cat <<END
The database:
\$ export OUTHOOK_DATABASE=$OUTHOOK_DATABASE

The daemon. outhookd calls public addresses only, unless
told otherwise; the receivers are on this machine, so it
is told. And it retries sooner than usual, so that you
needn't wait:
\$ build/outhookd --database \$OUTHOOK_DATABASE$also \\
    --set allow_networks=127.0.0.0/8 \\
    --set retry_schedule=1s
END
# shellcheck disable=SC2086 # a list of words
start build/outhookd --database "$OUTHOOK_DATABASE"$also --set allow_networks=127.0.0.0/8 \
    --set retry_schedule=1s >"$directory/outhookd.log" 2>&1
daemon=$child
wait_until 20 "outhookd did not become ready" daemon_is_ready

title "1: delivered at once"
cat <<'END'
A receiver, on a port that is free:
$ build/outhook listen 0
END
receive "$directory/good.txt" 0
good=$url
cat "$directory/good.txt"
echo
echo "A webhook is a row. Any program may insert it; sqlite3 can:"
show_sql "INSERT INTO webhooks (url, payload)
VALUES ('$good/hook', '{\"hello\":\"world\"}');"
wait_until 20 "the webhook was not delivered" delivery_is 1 delivered
wait_until 5 "the receiver did not print the webhook" has_received "$directory/good.txt" '{"hello":"world"}'
expect_attempts 1 1
printf '\nThe receiver got it:\n'
sed -n '2,$p' "$directory/good.txt"
show_log 1 1
ms=$(query "SELECT started_at + duration_ms - (SELECT created_at FROM webhooks) FROM attempts")
printf '\nFrom the INSERT to the answer: %s ms.\n' "$ms"

title "2: retried until delivered"
cat <<'END'
A receiver that fails the first two attempts:
$ build/outhook listen --fail-first 2 0
END
receive "$directory/flaky.txt" --fail-first 2 0
cat "$directory/flaky.txt"
show_sql "INSERT INTO webhooks (url, payload)
VALUES ('$url/hook', '{\"try\":\"again\"}');"
echo
echo "Waiting until it has come through ..."
wait_until 30 "the webhook was not delivered" delivery_is 2 delivered
wait_until 5 "the receiver did not print the webhook" has_received "$directory/flaky.txt" '{"try":"again"}'
expect_attempts 2 3
show_log 2 3
stop "$child"

title "3: failed, then replayed"
cat <<'END'
An endpoint is a place with a name and rules of its own.
This one allows two attempts, and nobody listens there:
END
receive "$directory/gone.txt" 0
stop "$child"
show_sql "INSERT INTO endpoints (name, url, max_attempts)
VALUES ('billing', '$url/hook', 2);
INSERT INTO webhooks (endpoint, type, payload)
VALUES ('billing', 'invoice.paid', '{\"invoice\":17}');"
echo
echo "Waiting until outhookd has given up ..."
wait_until 30 "the webhook did not fail" delivery_is 3 failed
expect_attempts 3 2
show_log 3 2
printf '\nWhat has failed, and why:\n'
show_sql ".mode line
SELECT id, endpoint, attempts, error FROM failed;"
printf '\nNow somebody listens:\n$ build/outhook listen %s\n' "${url##*:}"
receive "$directory/billing.txt" "${url##*:}"
printf '\nReplay it (or: build/outhook replay --endpoint billing):\n'
show_sql "UPDATE deliveries SET status = 'pending'
WHERE status = 'failed';"
wait_until 30 "the replayed webhook was not delivered" delivery_is 3 delivered
wait_until 5 "the receiver did not print the webhook" has_received "$directory/billing.txt" '{"invoice":17}'
expect_attempts 3 3
printf '\nThe receiver got it, signed, because the endpoint has a\nsecret:\n'
sed -n '2,$p' "$directory/billing.txt"
show_log 3 1

title "All of it"
echo '$ build/outhook list'
build/outhook list
if [ -n "$once" ]; then
    printf '\nAll seen: one delivered, one retried until delivered, one\nfailed and replayed.\n'
    exit 0
fi

# ---- the rest is yours ---------------------------------------------------------------------------

title "Go on"
# Counted before anybody is told to insert something.
lines=$(wc -l <"$directory/outhookd.log")
cat <<END
The daemon and two receivers run until Ctrl-C. Then this
database is removed, too. In another terminal:

\$ cd $PWD
\$ export OUTHOOK_DATABASE=$OUTHOOK_DATABASE
\$ sqlite3 \$OUTHOOK_DATABASE <<"SQL"
.timeout 5000
INSERT INTO webhooks (url, payload)
VALUES ('$good/', '{"from":"me"}');
SQL
\$ build/outhook list
\$ build/outhook show 1
\$ build/outhook status

What outhookd logs from now on:

END

# Ctrl-C is the proper end from here on.
trap 'echo; echo "Stopping, and removing $directory."; exit 0' INT
tail -n "+$((lines + 1))" -f "$directory/outhookd.log" &
children="$children $!"
child=$!
wait "$daemon" || true
fail "outhookd has ended by itself; its last lines are above."
