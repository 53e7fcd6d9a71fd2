# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# What `systemctl status` says.
configure
restart
receiver 8098 --hang
for _ in 1 2 3; do
    enqueue 8098
done
is "the status has what is pending, in flight, and how old" \
    soon 10 status_has '^Delivering 0/s: 3 pending, [123] in flight, oldest [1-9][0-9]*s$'
is "systemctl status shows it" sh -c 'systemctl status outhookd | grep -q "Status: \"Delivering 0/s: 3 pending"'
as alice outhook cancel --database $db --status pending --yes >/dev/null
systemctl stop receiver-8098
is "nothing pending is said so" soon 30 status_has ': 0 pending, 0 in flight$'
