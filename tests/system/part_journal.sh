# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# What the journal can be asked for.
configure 'retry_schedule = 300ms' 'retry_jitter = 0' 'breaker_failures = 2' 'breaker_open = 1s' 'breaker_open_max = 1s'
restart
receiver 8097
for name in billing:8097 shop:8096 gone:8095; do
    as alice sqlite3 $db "INSERT INTO endpoints (name, url, signing) VALUES ('${name%:*}', 'http://127.0.0.1:${name#*:}/', 'none')"
done
to() { as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (endpoint, payload) VALUES ('$1', 'x')"; }
entries() { journalctl --sync && journalctl -u outhookd --no-pager -o json "$@"; }
has() { entries "$1" | grep -q -- "$2"; }

to billing
to shop
is "entries are found by their endpoint" soon 20 has OUTHOOK_ENDPOINT=billing '"OUTHOOK_VERDICT":"delivered"'
entry=$(entries OUTHOOK_ENDPOINT=billing | head -n 1)
for field in DELIVERY WEBHOOK ATTEMPT STATUS DURATION; do
    is "with the field $field" grep -q "\"OUTHOOK_$field\":\"[0-9]*\"" <<<"$entry"
done
is "with their priority" grep -q '"PRIORITY":"6"' <<<"$entry"
is "and of no other endpoint" not has OUTHOOK_ENDPOINT=billing shop

is "an opened breaker is found by its event" soon 20 has OUTHOOK_EVENT=breaker-opened '"OUTHOOK_ENDPOINT":"shop"'
receiver 8096
is "and a closed one" soon 20 has OUTHOOK_EVENT=breaker-closed '"OUTHOOK_ENDPOINT":"shop"'
receiver 8095 --status 410
to gone
is "a disabled endpoint is found by its message id" \
    soon 20 has MESSAGE_ID=c0a4adf5d5994446b2e218db159c7b5f '"OUTHOOK_ENDPOINT":"gone"'
is "the start is found by its message id" has MESSAGE_ID=eac02b1c4c4c4808bf173eda2542a952 ready
lock 3
to billing # waits for the lock; by then the daemon has waited, too
wait $locker
enqueue 8097 "while it is locked"
lock 3
is "a store that is held up is told" soon 20 has OUTHOOK_EVENT=store-blocked 'holds a lock'
wait $locker
is "and that it has recovered" soon 20 has OUTHOOK_EVENT=store-recovered 'can be written again'
is "the catalog explains an entry" \
    sh -c 'journalctl -x -u outhookd OUTHOOK_EVENT=endpoint-disabled | grep -q "outhook endpoint enable gone sends what waits"'

# A journal that takes nothing holds up nothing.
journald=$(property MainPID systemd-journald)
kill -STOP "$journald"
before=$(sql "SELECT count(*) FROM deliveries WHERE status = 'delivered'")
as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:8097/many', value FROM generate_series(1, 1500)"
is "a journal that hangs holds up nothing" \
    soon 60 sql_is "SELECT count(*) - $before FROM deliveries WHERE status = 'delivered'" 1500
kill -CONT "$journald"
as alice outhook cancel --database $db --status pending --yes >/dev/null 2>&1
systemctl stop receiver-8095 receiver-8096 receiver-8097
