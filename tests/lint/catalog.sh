#!/bin/sh
# Holds the journal's catalog against the table of events in log.h: each has one entry, with a subject
# and a text, and there is no other. Ends with 1 when they differ, and shows where.

set -eu

cd "$(dirname "$0")/../.."

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
catalog=systemd/outhook.catalog

grep -o '"[0-9a-f]\{32\}"' include/outhook/runtime/log.h | tr -d '"' | sort >"$directory/events"
sed -n 's/^-- \([0-9a-f]*\)$/\1/p' "$catalog" | sort >"$directory/entries"

status=0
[ -s "$directory/events" ] || {
    echo "no events were found in include/outhook/runtime/log.h" >&2
    status=1
}
diff "$directory/events" "$directory/entries" || {
    echo "< is an event that $catalog does not explain, > an entry without an event" >&2
    status=1
}
if [ -n "$(uniq -d "$directory/events")" ]; then
    echo "two events share an id" >&2
    status=1
fi
# systemd's own compiler of catalogs, where there is one, reads it as a machine would.
if command -v journalctl >/dev/null; then
    mkdir -p "$directory/root/usr/lib/systemd/catalog" "$directory/root/var/lib/systemd/catalog"
    cp "$catalog" "$directory/root/usr/lib/systemd/catalog/"
    journalctl --root="$directory/root" --update-catalog || status=1
    journalctl --root="$directory/root" --list-catalog >"$directory/list" 2>/dev/null || status=1
    [ "$(wc -l <"$directory/list")" -eq "$(wc -l <"$directory/events")" ] || {
        echo "journalctl finds other entries in $catalog:" >&2
        cat "$directory/list" >&2
        status=1
    }
fi
exit "$status"
