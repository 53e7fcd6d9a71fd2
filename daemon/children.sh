# shellcheck shell=sh
# shellcheck disable=SC2317 # the traps call clean_up
# Sourced by quickstart.sh and tests/run.sh: whatever ends the script, Ctrl-C at any moment too, its
# children end with it, and its directory is removed.
#
# Each child leads a session of its own, so that whatever it starts can be found and ended with it.

directory=
children=
child=
stop_signal=TERM

# make_directory NAME: a temporary one, in $directory.
make_directory() {
    directory=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX") || {
        directory=
        echo "There can be no temporary directory in ${TMPDIR:-/tmp}; TMPDIR may name another place." >&2
        exit 1
    }
}

# is_alive PROCESS: a zombie is not alive, though kill -0 finds it.
is_alive() {
    { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]
}

# start COMMAND...: leaves the process in $child. A shell makes its background processes ignore
# SIGINT; here they don't.
start() {
    setsid env --default-signal=INT,QUIT "$@" </dev/null &
    children="$children $!"
    child=$!
}

# session_processes LEADER: those of the leader's session that are alive, in $processes.
session_processes() {
    leader=$1
    processes=
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        process=${line%% *}
        # After the name, which may hold anything: state, parent, group, session.
        # shellcheck disable=SC2086 # a list of words
        set -- ${line##*) }
        [ "$4" != "$leader" ] || [ "$1" = Z ] || processes="$processes $process"
    done
}

# stop CHILD...: asks them and what they have started to end, by $stop_signal, and insists after five
# seconds.
stop() {
    for one in "$@"; do
        session_processes "$one"
        # The session exists a moment after the process.
        # shellcheck disable=SC2086 # a list of numbers
        kill "-$stop_signal" ${processes:-"$one"} 2>/dev/null || true
    done
    for one in "$@"; do
        tries=50
        while
            session_processes "$one"
            is_alive "$one" || [ -n "$processes" ]
        do
            tries=$((tries - 1))
            # shellcheck disable=SC2086 # a list of numbers
            [ "$tries" -gt 0 ] || kill -KILL $processes "$one" 2>/dev/null || true
            sleep 0.1
        done
        wait "$one" 2>/dev/null || true
        children=" $children "
        children="${children%" $one "*} ${children#*" $one "}"
    done
}

clean_up() {
    status=$?
    trap '' INT TERM HUP PIPE
    # One that was started this instant is not listed yet.
    [ "${!-}" = "$child" ] || children="$children $!"
    # shellcheck disable=SC2086 # a list of numbers
    stop $children
    [ -z "$directory" ] || rm -rf "$directory"
    exit "$status"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE
