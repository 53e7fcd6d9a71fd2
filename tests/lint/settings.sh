#!/bin/sh
# Holds README.md and systemd/outhookd.conf against the settings that the code knows.
#
#     sh tests/lint/settings.sh build/outhookd           ends with 1 when they differ, and shows where
#     sh tests/lint/settings.sh build/outhookd --write   brings both up to date

set -eu

outhookd=$(readlink -f "$1")
cd "$(dirname "$0")/../.."

mode="check"
[ "${2-}" != --write ] || mode="write"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

"$outhookd" --help-settings >"$directory/settings"

# The sample: a comment of our own, then the settings as they are printed.
{
    cat <<'END'
# The configuration of outhookd. What is commented out shows the default.
#
# After a change: systemctl reload outhookd, or systemctl restart outhookd where it says so.
# `outhookd --check` says what is wrong with it. `outhookd --set name=value` wins over this file.

END
    cat "$directory/settings"
} >"$directory/outhookd.conf"

# The table: what stands between its two markers in README.md.
awk '
    BEGIN {
        print "| setting | default | range | after a change | what it is |"
        print "|---|---|---|---|---|"
    }
    /^# / {
        documentation = how
        how = substr($0, 3)
    }
    /^;/ {
        name = substr($0, 2)
        sub(/ = .*/, "", name)
        initial = $0
        sub(/^[^=]*= ?/, "", initial)
        range = ""
        if (match(how, /^From .*\. /))
            range = substr(how, 6, RLENGTH - 7)
        sub(/ to /, " … ", range)
        printf "| `%s` | %s | %s | %s | %s |\n", name, initial == "" ? "" : "`" initial "`", range,
            how ~ /restart/ ? "restart" : "reload", documentation
    }
' "$directory/settings" >"$directory/table"

awk -v table="$directory/table" '
    /^<!-- settings: / {
        print
        while ((getline line <table) > 0)
            print line
        skip = 1
        found = 1
    }
    /^<!-- end of settings -->/ { skip = 0 }
    !skip && !/^<!-- settings: / { print }
    END {
        if (!found || skip)
            print "The markers of the table of settings are missing."
    }
' README.md >"$directory/README.md"

status=0
for file in README.md systemd/outhookd.conf; do
    if [ "$mode" = write ]; then
        cp "$directory/${file##*/}" "$file"
    elif ! diff -u "$file" "$directory/${file##*/}"; then
        status=1
    fi
done
[ "$status" -eq 0 ] || echo "Bring them up to date: sh tests/lint/settings.sh build/outhookd --write" >&2
exit "$status"
