# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# What the package has done by itself.
same "dpkg -i ends well" "$installed" 0
is "there is a user outhook" getent passwd outhook
is "the service is enabled" systemctl is-enabled outhookd
is "the service is active" systemctl is-active outhookd
is "systemd finds nothing wrong with the unit" systemd-analyze --man=no verify $unit
same "the directory is the group's" "$(stat -c '%a %U %G' /var/lib/outhook)" "2770 outhook outhook"
same "the database is the group's" "$(stat -c '%a %U %G' $db)" "660 outhook outhook"
same "the configuration can be read by root and the group" "$(stat -c '%a %U %G' $conf)" "640 root outhook"
is "the configuration is a conffile" grep -qx $conf /var/lib/dpkg/info/outhook.conffiles
is "all of the configuration is comments" not grep -qv '^[#;[]\|^$' $conf
is "the manual pages are there" ls /usr/share/man/man{1/outhook.1,5/outhookd.conf.5,7/outhook-sql.7,8/outhookd.8}.gz
is "the completions are there" ls /usr/share/bash-completion/completions/outhook /usr/share/zsh/vendor-completions/_outhook
is "the journal's catalog has the package's entries" \
    sh -c 'journalctl --list-catalog | grep -q "eac02b1c4c4c4808bf173eda2542a952 outhook: outhookd is ready"'
same "what it makes is its group's, too, and nobody else's" "$(property UMask)" 0007
same "it is watched" "$(property WatchdogUSec)" 30s
same "it has a minute to stop" "$(property TimeoutStopUSec)" 1min
same "it is started again after two seconds" "$(property RestartUSec)" 2s
same "however often that is" "$(property StartLimitIntervalUSec)" 0
same "it may open many files" "$(property LimitNOFILE)" 65536
is "it runs as its user and group" sh -c "[ \"\$(stat -c '%U %G' /proc/$(main_pid))\" = 'outhook outhook' ]"
