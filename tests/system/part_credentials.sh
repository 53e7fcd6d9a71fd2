# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# Secrets that only root can read, handed to the service by systemd.
configure
(umask 077 && head -c 32 /dev/urandom | base64 >/etc/outhook/secret.key && echo whsec_a7c8035671ec0bf3add5bfa3006d031b27a86a902fae0a5c >/etc/outhook/default_secret)
mkdir -p /etc/systemd/system/outhookd.service.d
printf '[Service]\nLoadCredential=%s\nLoadCredential=%s\n' secret_key:/etc/outhook/secret.key \
    default_secret:/etc/outhook/default_secret >/etc/systemd/system/outhookd.service.d/credentials.conf
systemctl daemon-reload
is "the service starts with credentials" restart
receiver 8094
as alice sqlite3 $db "INSERT INTO endpoints (name, url) VALUES ('sealed', 'http://127.0.0.1:8094/')"
is "it seals with a key that is root's" \
    soon 10 sql_is "SELECT count(*) FROM endpoint_secrets WHERE secret NOT GLOB 'sealed:*'" 0
enqueue 8094
is "it signs with a default_secret that is root's" soon 20 grep -q '"webhook-signature"' /run/receiver-8094
for who in alice mallory; do
    is "$who can't read the key" not as $who cat /etc/outhook/secret.key
    is "$who can't read it where the service does" not as $who cat /run/credentials/outhookd.service/secret_key
done
is "a reload still works" systemctl reload outhookd
rm -r /etc/systemd/system/outhookd.service.d
as alice sqlite3 $db "DELETE FROM endpoints WHERE name = 'sealed'"
systemctl daemon-reload
restart
systemctl stop receiver-8094
