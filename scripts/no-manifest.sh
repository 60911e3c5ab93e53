#!/usr/bin/env bash
# no-manifest.sh NAME MANIFEST…: reports that no manifest is called NAME; suggests a similar one, and lists them all.
set -euo pipefail
wanted=$1
shift

printf '%s\n' "$@" | awk -v wanted="$wanted" '
function least(a, b, c) { return a <= b && a <= c ? a : b <= c ? b : c }
# The number of characters to insert, remove or replace.
function distance(one, other, i, j, before, now) {
    for (j = 0; j <= length(other); j++) before[j] = j
    for (i = 1; i <= length(one); i++) {
        now[0] = i
        for (j = 1; j <= length(other); j++)
            now[j] = least(before[j] + 1, now[j-1] + 1, before[j-1] + (substr(one, i, 1) != substr(other, j, 1)))
        for (j = 0; j <= length(other); j++) before[j] = now[j]
    }
    return before[length(other)]
}
{
    names = names " " $0
    # A name without its first part, such as hello-rust, is nearly equal.
    apart = length(wanted) > 3 && index($0, wanted) ? 1 : distance(wanted, $0)
    if (NR == 1 || apart < nearest) { nearest = apart; meant = $0 }
}
END {
    suggestion = 3 * nearest <= length(wanted) ? "; did you mean " meant "?" : ""
    print "make: no manifest is called " wanted suggestion
    print "make: there are:" names
}' >&2
exit 2
