# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# A failure that nobody mends: the start that waits for it is waited for, and ended by a restart.
configure
change 's/^TimeoutStopSec=.*/&\nTimeoutStartSec=2/'
restart
as alice sqlite3 $db "ALTER TABLE deliveries RENAME COLUMN retry_at TO mislaid"
is "a failure ends the start" not restart
is "after some the next start waits, which the status says" \
    soon 30 status_has '^Waiting [1-9][0-9]*s more, after 3 failures in a row: .*no such column'
same "and which is a part of the start" "$(property SubState)" start
pid=$(main_pid)
restarts=$(property NRestarts)
sleep 4
same "it takes longer than a start may, and is the same one" "$(main_pid)" "$pid"
same "of those that systemd has made" "$(property NRestarts)" "$restarts"
is "the journal has it, by its event" sh -c 'journalctl --sync && journalctl -q OUTHOOK_EVENT=start-put-off | grep -q "waits [0-9]*s before it works again"'
as alice sqlite3 $db "ALTER TABLE deliveries RENAME COLUMN mislaid TO retry_at"
began=$(now_ms)
is "once it is mended, a restart" restart
is "goes on at once" test $(($(now_ms) - began)) -lt 2000
is "and runs" running
change
restart
is "which ends the row" sh -c '! outhook status | grep -q "failed [0-9]* times"'
