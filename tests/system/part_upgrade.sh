# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# A newer package with a newer schema, then no package at all.
configure 'retry_schedule = 1h' '# mine'
restart
schema=$(cat /lab/schema)
receiver 8090 --delay 2s
statuses() { sql "SELECT group_concat(id || ' ' || status) FROM (SELECT id, status FROM deliveries WHERE id > $first AND id <= $first + 6 ORDER BY id)"; }
first=$(sql 'SELECT coalesce(max(id), 0) FROM deliveries')
enqueue 8090 delivered
soon 20 nothing_pending
for status in failed expired cancelled; do
    as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (url, payload, deliver_at) VALUES ('http://127.0.0.1:8090/', '$status', 4102444800000)"
done
# As the daemon writes them; a person may set the last one only.
as alice outhook cancel --database $db $((first + 4)) --yes >/dev/null
systemctl stop outhookd
sqlite3 $db >/dev/null <<END
.dbconfig enable_trigger off
UPDATE deliveries SET status = 'failed', finished_at = due_at WHERE id = $first + 2;
UPDATE deliveries SET status = 'expired', finished_at = due_at WHERE id = $first + 3;
UPDATE queue_depth SET pending = (SELECT count(*) FROM deliveries WHERE status = 'pending');
END
chgrp outhook $db*
systemctl start outhookd
as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (url, payload, deliver_at) VALUES ('http://127.0.0.1:8090/', 'waits', 4102444800000)"
enqueue 8090 flying
soon 20 status_has '1 in flight'
before=$(statuses)
is "there are rows in every status" \
    test "$(tr -s ', ' '\n' <<<"$before" | grep -c '^\(delivered\|failed\|expired\|cancelled\|pending\)$')" = 6
pid=$(main_pid)
is "the newer package is installed" dpkg -i /lab/next.deb
is "the service runs" soon 20 running
is "the new one" test "$(main_pid)" != "$pid"
same "the schema is newer" "$(sql 'PRAGMA user_version')" $((schema + 1))
is "the journal tells of it" soon 10 journal_has "was migrated from schema version $schema to $((schema + 1)); a copy of before is $db.schema-$schema.backup"
copy=$db.schema-$schema.backup
same "the copy of before is only the service's" "$(stat -c '%a %U' "$copy")" "600 outhook"
same "the copy of before has the older schema" "$(sql 'PRAGMA user_version' "$copy")" "$schema"
same "and is whole" "$(sql 'PRAGMA integrity_check' "$copy")" ok
is "what was under way is delivered, and all else is as it was" \
    soon 30 test "$(statuses)" = "${before/$((first + 6)) pending/$((first + 6)) delivered}"
is "by the older service or the newer" grep -q flying /run/receiver-8090
is "the configuration is as it was edited" grep -qx '# mine' $conf
same "and as protected" "$(stat -c '%a %U %G' $conf)" "640 root outhook"

is "the package is removed" dpkg -r outhook
is "the service is stopped" not systemctl -q is-active outhookd
is "the program is gone" test ! -e /usr/sbin/outhookd
is "the data is there" sql_is "SELECT count(*) > 0 FROM deliveries" 1
is "and the configuration" test -e $conf
is "it is installed again" dpkg -i /lab/next.deb
is "and goes on" soon 20 running
same "with what it had" "$(sql "SELECT payload FROM webhooks ORDER BY id LIMIT 1")" "$(sql "SELECT payload FROM webhooks ORDER BY id LIMIT 1" "$copy")"
is "purge asks nothing" dpkg -P outhook </dev/null
is "the service is stopped then, too" not systemctl -q is-active outhookd
is "the data is gone" test ! -e /var/lib/outhook
is "the configuration is gone" test ! -e /etc/outhook/outhookd.conf
is "nothing of it is failed" sh -c '! systemctl --failed --plain --no-legend | grep -q outhook'
systemctl stop receiver-8090
