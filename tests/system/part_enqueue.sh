# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# Who may enqueue, with plain sqlite3, and who may not.
configure
restart
receiver 8099
is "a member of the group enqueues with plain sqlite3" enqueue 8099 first
is "it is delivered" soon 20 received_some 8099
is "what came of it is written" soon 10 nothing_pending
same "the log beside the database is the group's" "$(stat -c '%a %G' $db-wal $db-shm | sort -u)" "660 outhook"

systemctl stop outhookd
is "a member enqueues while the service does not run" enqueue 8099 second
# A member's connection makes the files beside the database, and has them open when the service comes.
lock 2
same "they are the group's whoever makes them" "$(stat -c '%a %U %G' $db-wal)" "660 alice outhook"
is "the service starts with files of a member's" systemctl start outhookd
wait $locker
is "and delivers" soon 20 received_some 8099 2

is "an outsider can't look at the directory" not as mallory ls /var/lib/outhook
is "an outsider can't read secrets" not as mallory sqlite3 $db 'SELECT secret FROM endpoint_secrets'
is "an outsider can't enqueue" not as mallory sqlite3 $db "INSERT INTO webhooks (url, payload) VALUES ('http://127.0.0.1:8099/', 'x')"
is "an outsider can't enqueue by the command" not as mallory outhook enqueue --database $db http://127.0.0.1:8099/ x
is "an outsider can't read the configuration" not as mallory cat $conf
same "nothing of it came in" "$(sql 'SELECT count(*) FROM webhooks')" 2
