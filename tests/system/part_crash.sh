# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# What ends the service against its will, and what comes after.
configure
restart
receiver 8093 --delay 200ms
before=$(sql 'SELECT coalesce(max(id), 0) FROM webhooks')
as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:8093/', value FROM generate_series(1, 100)"
is "calls are under way" soon 20 received_some 8093 10
restarts=$(property NRestarts)
kill -KILL "$(main_pid)"
is "after kill -9 it is started again" soon 20 is_property NRestarts $((restarts + 1))
is "and runs" soon 20 running
is "all is delivered" soon 60 nothing_pending
same "each of them" "$(grep -o '"webhook-id":"[^"]*"' /run/receiver-8093 | sort -u | wc -l)" 100
same "and none is lost" "$(sql "SELECT count(*) FROM deliveries WHERE webhook_id > $before AND status = 'delivered'")" 100
systemctl stop receiver-8093

configure 'workers = many'
is "a wrong configuration fails the start" not restart
same "with its exit status" "$(property ExecMainStatus)" 2
sleep 3
same "and it is not tried again" "$(property ActiveState)" failed
configure
restart
is "a right one starts it" running
mv $db /var/lib/outhook/moved.db
is "a database that was moved away ends it" soon 20 is_property ActiveState failed
same "with its exit status" "$(property ExecMainStatus)" 3
sleep 3
is "and no new one is made in its place" test ! -e $db
mv /var/lib/outhook/moved.db $db
rm -f $db-wal $db-shm
restart
is "it goes on with the right one" running
schema=$(sql 'PRAGMA user_version')
systemctl stop outhookd
as alice sqlite3 $db "PRAGMA user_version = 999"
is "a database that is newer fails the start" not restart
same "with the same exit status" "$(property ExecMainStatus)" 3
same "so that it is not tried again" "$(property ActiveState)" failed
as alice sqlite3 $db "PRAGMA user_version = $schema"
restart
is "it goes on when that was undone" running
