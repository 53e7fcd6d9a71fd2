# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# A thread that hangs is noticed, whichever it is. The period is half a minute; shorter here.
configure
change 's/^WatchdogSec=.*/WatchdogSec=2/'
restart
killed() { [ "$(property NRestarts)" -gt "$1" ] && running; }
timeouts() { journalctl --sync && journalctl -u outhookd -o cat --no-pager | grep -c 'Watchdog timeout'; }
for thread in outhookd store worker1; do
    restarts=$(property NRestarts)
    seen=$(timeouts)
    pid=$(main_pid)
    task=$(grep -lx "$thread" "/proc/$pid/task"/*/comm | cut -d/ -f5)
    /lab/probe freeze "$task" 5 &
    is "a thread $thread that hangs costs the service its life" soon 20 killed "$restarts"
    wait $!
    same "as the watchdog wants it ($thread)" "$(timeouts)" $((seen + 1))
done
restarts=$(property NRestarts)
kill -STOP "$(main_pid)"
is "so does a process that was stopped" soon 30 killed "$restarts"
restarts=$(property NRestarts)
sleep 5
same "one that is well is left alone" "$(property NRestarts)" "$restarts"
change
restart
