# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# A stop lets what is under way end.
configure
restart
receiver 8092 --delay 3s
flying() { [ "$(grep -c . /run/receiver-8092)" -ge 1 ] || status_has '1 in flight'; }
last() { sql "SELECT status || ' ' || attempts FROM deliveries ORDER BY id DESC LIMIT 1"; }
enqueue 8092
is "a call is under way" soon 20 flying
began=$(now_ms)
systemctl stop outhookd &
is "a stop says that it drains" soon 5 status_has '^Draining: 1 in flight'
wait $!
same "it ends well" "$(property Result)" success
same "when the call has" "$(last)" "delivered 1"
is "and not at once" test $(($(now_ms) - began)) -ge 1000

change 's/^TimeoutStopSec=.*/TimeoutStopSec=1/'
restart
receiver 8092 --delay 5s
enqueue 8092
is "a longer call is under way" soon 20 flying
systemctl stop outhookd
same "a drain that gets on may take longer than the unit's limit" "$(property Result)" success
same "and loses nothing" "$(last)" "delivered 1"
change

configure 'drain_timeout = 1s'
restart
receiver 8092 --hang
enqueue 8092
is "a call is under way that will not end" soon 20 flying
systemctl stop outhookd
same "it is given up after drain_timeout, and is not charged" "$(last)" "pending 0"
is "which the journal tells" sh -c 'journalctl --sync; journalctl -u outhookd OUTHOOK_EVENT=drain-cut-short | grep -q "given up"'
systemctl stop receiver-8092
as alice outhook cancel --database $db --status pending --yes >/dev/null 2>&1
configure
restart
