# shellcheck shell=sh
# shellcheck disable=SC2317 # the traps call clean_up
# Sourced by quickstart.sh and tests/run.sh: whatever ends the script, Ctrl-C at any moment too, its
# children end with it, and its directory is removed.
#
# Each child leads a process group of its own, so that its own children end with it.

directory=
children=
stop_signal=TERM

# make_directory NAME: a temporary one, in $directory.
make_directory() {
    directory=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
}

# is_alive PROCESS: a zombie is not alive, though kill -0 finds it.
is_alive() {
    { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]
}

# start COMMAND...: leaves the process in $child. A shell makes its background processes ignore
# SIGINT; here they don't.
start() {
    setsid env --default-signal=INT,QUIT "$@" </dev/null &
    child=$!
    children="$children $child"
}

group_is_gone() {
    ! is_alive "$1" || return 1
    wait "$1" 2>/dev/null || true
    ! kill -0 -- "-$1" 2>/dev/null
}

# stop PROCESS...: asks them to end by $stop_signal, insists after five seconds.
stop() {
    for process in "$@"; do
        # The group exists a moment after the process; until then it has only that one.
        kill "-$stop_signal" -- "-$process" 2>/dev/null || kill -TERM "$process" 2>/dev/null || true
    done
    for process in "$@"; do
        tries=50
        until group_is_gone "$process"; do
            tries=$((tries - 1))
            [ "$tries" -gt 0 ] || kill -KILL -- "-$process" 2>/dev/null || true
            sleep 0.1
        done
        children=" $children "
        children="${children%" $process "*} ${children#*" $process "}"
    done
}

clean_up() {
    status=$?
    trap '' INT TERM HUP PIPE
    # The last one may have been started an instant ago, and not be listed yet.
    # shellcheck disable=SC2086 # a list of numbers
    stop $children ${!-}
    [ -z "$directory" ] || rm -rf "$directory"
    exit "$status"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE
