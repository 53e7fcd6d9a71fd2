# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# A start is over when the service can do its work, and can be stopped before.
configure 'max_pending = 12345'
systemctl stop outhookd
lock 3 # it has to write down max_pending before it is ready
began=$(now_ms)
systemctl start --no-block outhookd
is "a start says what it does" soon 3 status_has 'Opening the database'
is "a start waits until the database can be written" is_property ActiveState activating
is "it ends when that is so" systemctl start outhookd
is "and not before" test $(($(now_ms) - began)) -ge 2000
is "then all is set up" sql_is 'SELECT max_pending FROM queue_depth' 12345
wait $locker

configure 'max_pending = 23456'
systemctl stop outhookd
lock 6
systemctl start --no-block outhookd
is "a start that waits" soon 3 status_has 'Opening the database'
began=$(now_ms)
is "can be stopped" systemctl stop outhookd
is "at once" test $(($(now_ms) - began)) -lt 3000
same "in good order" "$(property Result)" success
wait $locker

# The limit of the unit is a minute and a half; shorter here.
change 's/^Type=notify/&\nTimeoutStartSec=2/'
configure 'max_pending = 34567'
lock 4
is "a start that gets on may take longer than the unit's limit" systemctl start outhookd
wait $locker
change
restart
