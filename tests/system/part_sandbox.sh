# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# What the service may not do, and that it can do its work all the same.
configure
restart
is "systemd-analyze security says 1.5 or less" systemd-analyze security --no-pager --threshold=15 outhookd
exposure() { systemd-analyze security --no-pager "$@" | sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p'; }
echo "# exposure $(exposure outhookd)"
same "and the same of its file alone" "$(exposure --offline=yes $unit)" "$(exposure outhookd)"
same "what is open is what the unit says has to be" \
    "$(systemd-analyze security --no-pager outhookd | sed -n 's/^✗ \([^ ]*\).*/\1/p' | sort | paste -sd ' ')" \
    "DeviceAllow= IPAddressDeny= PrivateNetwork= RestrictAddressFamilies=~AF_(INET|INET6) RestrictAddressFamilies=~AF_UNIX RootDirectory=/RootImage= UMask="

# The same sandbox around a program that tries to get out of it.
sed -e '/^WatchdogSec=\|^Restart\|^ExecReload=/d' -e 's/^Type=.*/Type=oneshot/' \
    -e 's#^ExecStart=.*#ExecStart=/lab/probe sandbox\nStandardOutput=truncate:/run/probe#' \
    $unit >/run/systemd/system/probe.service
touch /tmp/outside /home/alice/outside
chmod 666 /tmp/outside /home/alice/outside
chmod 755 /home/alice
systemctl daemon-reload
is "the probe is run in it" systemctl start probe
while read -r name expected; do
    same "the sandbox: $name" "$(sed -n "s/^$name //p" /run/probe)" "$expected"
done <<END
personality EPERM
executable-memory EPERM
namespace EPERM
netlink EAFNOSUPPORT
packet EAFNOSUPPORT
setgid-bit EPERM
mount EPERM
bpf EPERM
nice EPERM
write-etc EROFS
write-own-tmp done
see-tmp ENOENT
home EACCES
device ENXIO
proc-sys ENOENT
other-process ENOENT
END
status=/proc/$(main_pid)/status
same "no capabilities" "$(sed -n 's/^CapBnd:\t//p' "$status")" 0000000000000000
same "no new privileges" "$(sed -n 's/^NoNewPrivs:\t//p' "$status")" 1
is "users of its own" test "$(readlink "/proc/$(main_pid)/ns/user")" != "$(readlink /proc/self/ns/user)"
is "IPC of its own" test "$(readlink "/proc/$(main_pid)/ns/ipc")" != "$(readlink /proc/self/ns/ipc)"
systemctl set-environment https_proxy=http://127.0.0.1:1 SSLKEYLOGFILE=/tmp/keys
restart
is "no proxy of the environment" not grep -qz 'https_proxy\|SSLKEYLOGFILE' "/proc/$(main_pid)/environ"
systemctl unset-environment https_proxy SSLKEYLOGFILE

# By name over https, with a name server and an authority that the system knows.
(
    cd /tmp || exit
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
    openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=hooks.example.test
    printf 'subjectAltName=DNS:hooks.example.test' >tls.ext
    openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile tls.ext -out tls.pem
    cat ca.pem >>/etc/ssl/certs/ca-certificates.crt
    cat tls.pem tls.key >/run/both.pem
) >/dev/null 2>&1
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
systemd-run -q --unit=names /usr/sbin/dnsmasq -k -C /dev/null --no-resolv --no-hosts --listen-address=127.0.0.1 \
    --bind-interfaces --address=/hooks.example.test/127.0.0.1
receiver 8091
systemd-run -q --unit=tls /usr/bin/socat OPENSSL-LISTEN:8443,reuseaddr,fork,cert=/run/both.pem,verify=0 TCP:127.0.0.1:8091
soon 10 socat -u OPEN:/dev/null TCP:127.0.0.1:8443
restart
as alice sqlite3 -cmd '.timeout 10000' $db "INSERT INTO webhooks (url, payload) VALUES ('https://hooks.example.test:8443/hook', 'x')"
is "a webhook is delivered by name over https" soon 20 received_some 8091
is "and that is written" soon 10 sql_is "SELECT last_status_code FROM deliveries ORDER BY id DESC LIMIT 1" 200
systemctl stop names tls receiver-8091
