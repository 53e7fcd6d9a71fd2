#!/bin/sh
# Holds the source against the rules of its layers, and prints a line for each violation:
#
# - an include only points downward (the table in BEGIN), and names a header by its whole path;
# - a library is known to its own layer only;
# - a source of a layer has a header of the same noun, and includes it first;
# - no file is longer than 600 lines;
# - no call that overflows, keeps hidden state or can't report an error.
#
# Comments and strings are skipped. Ends with 1 when anything was found.

set -eu

cd "$(dirname "$0")/../.."

# A source without its header. The command's verbs are reached through include/outhook/cli/verb.h.
missing_headers() {
    for source in daemon/*/*.c; do
        header=include/outhook/${source#daemon/}
        header=${header%.c}.h
        case $source in
        daemon/cli/*) ;;
        *) [ -e "$header" ] || echo "$source:1: there is no $header: a layer's source has a header of the same noun" ;;
        esac
    done
}

long_files() {
    find daemon include migrations tests -type f \
        \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.sql' -o -name '*.cmake' \) |
        sort | while IFS= read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || echo "$file:601: the file has $((lines)) lines; at most 600: split it"
    done
}

misplaced_includes_and_banned_calls() {
    find daemon include -type f -name '*.[ch]' | sort | while IFS= read -r file; do
        own=include/outhook/${file#daemon/}
        own=${own%.c}.h
        [ -e "$own" ] || own=
        awk -v file="$file" -v own="${own#include/}" '
            BEGIN {
                may["base"] = " base "
                may["runtime"] = " base runtime "
                may["delivery"] = " base delivery "
                may["store"] = " base runtime delivery store "
                may["http"] = " base runtime delivery http "
                may["service"] = " base runtime delivery store http service "
                may["outhookd.c"] = may["service"]
                may["cli"] = may["service"] "cli "
                may["outhook.c"] = may["cli"]
                may["manual.c"] = may["cli"]

                # Which layers, or which file, a header of a library may be included from.
                home["sqlite3.h"] = " daemon/store "
                home["curl/"] = " http "
                home["uv.h"] = " runtime http service outhookd.c "
                home["uv/"] = home["uv.h"]
                home["systemd/"] = " runtime service "
                home["microhttpd.h"] = " daemon/cli "
                home["openssl/"] = " daemon/delivery/base64.c daemon/delivery/hmac.c daemon/delivery/seal.c daemon/delivery/signature.c "
                home["ini.h"] = " runtime "

                split("strcpy strcat sprintf vsprintf gets strtok atoi atol localtime gmtime", banned, " ")

                layer = file
                sub(/^include\/outhook\//, "", layer)
                sub(/^daemon\//, "", layer)
                sub(/\/.*/, "", layer)
                if (!(layer in may))
                    found("is in no layer that tests/lint/layers.sh knows: \"" layer "\"")
                directory = file
                sub(/\/[^\/]*$/, "", directory)
            }

            function found(what) {
                print file ":" (NR ? NR : 1) ": " what
            }

            function judge_include(line,    name, is_quoted, key, target) {
                is_quoted = line ~ /include[ \t]*"/
                name = line
                sub(/^[^"<]*["<]/, "", name)
                sub(/[">].*/, "", name)
                if (!includes++ && file ~ /\.c$/ && own != "" && name != own)
                    found("the first include is " name ": a source includes its own header, " own ", first")
                if (name ~ /^outhook\/[^\/]*\//) {
                    target = name
                    sub(/^outhook\//, "", target)
                    sub(/\/.*/, "", target)
                    if (!index(may[layer], " " target " "))
                        found("includes " name ": " layer " may include" (may[layer] ? may[layer] : " nothing ") "only")
                } else if (is_quoted)
                    found("includes \"" name "\": name a header of ours by its path, outhook/<layer>/<noun>.h")
                for (key in home)
                    if ((key ~ /\/$/ ? index(name, key) == 1 : name == key) &&
                        !index(home[key], " " layer " ") && !index(home[key], " " directory " ") &&
                        !index(home[key], " " file " "))
                        found("includes " name ": only" home[key] "may")
            }

            # The line without comments, strings and characters; `inside` a block comment goes on.
            function code_of(line,    out, i, c, two, quote) {
                out = ""
                for (i = 1; i <= length(line); i++) {
                    c = substr(line, i, 1)
                    two = substr(line, i, 2)
                    if (inside) {
                        if (two == "*/") {
                            inside = 0
                            i++
                        }
                    } else if (quote != "") {
                        if (c == "\\")
                            i++
                        else if (c == quote)
                            quote = ""
                    } else if (two == "/*") {
                        inside = 1
                        i++
                    } else if (two == "//")
                        break
                    else if (c == "\"" || c == "\047")
                        quote = c
                    else
                        out = out c
                }
                return out
            }

            {
                was_inside = inside
                code = code_of($0)
                if (!was_inside && $0 ~ /^[ \t]*#[ \t]*include[ \t]*["<]/)
                    judge_include($0)
                for (i in banned)
                    if (code ~ ("(^|[^A-Za-z0-9_])" banned[i] "[ \t]*\\("))
                        found("calls " banned[i] "(), which is banned")
            }
        ' "$file"
    done
}

violations=$(
    missing_headers
    long_files
    misplaced_includes_and_banned_calls
)
[ -z "$violations" ] || {
    printf '%s\n' "$violations" >&2
    exit 1
}
