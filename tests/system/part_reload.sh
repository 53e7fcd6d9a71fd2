# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # what guest.sh has
# A reload applies what is right, and refuses what is not.
configure 'max_pending = 111'
restart
pid=$(main_pid)
is "it starts with its configuration" sql_is 'SELECT max_pending FROM queue_depth' 111
configure 'max_pending = 222'
is "a reload ends well" systemctl reload outhookd
is "and applies what has changed" soon 10 sql_is 'SELECT max_pending FROM queue_depth' 222
configure 'max_pending = many'
is "a reload of a file with a mistake fails" not systemctl reload outhookd
is "the journal says what is wrong with it" soon 5 journal_has "$conf, line 2: max_pending = many: it has to be a whole number"
# Past the check that the unit makes: the daemon judges for itself.
systemctl kill --kill-who=main -s HUP outhookd
is "a signal with a file with a mistake is refused" soon 5 journal_has 'the configuration was not reloaded and nothing has changed'
is "what was before counts" sql_is 'SELECT max_pending FROM queue_depth' 222
same "the same process goes on" "$(main_pid)" "$pid"
is "and is active" soon 5 running
configure
