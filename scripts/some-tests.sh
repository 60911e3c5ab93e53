#!/usr/bin/env bash
# some-tests.sh FILTER COMMAND…: runs COMMAND, which runs tests. A FILTER that matches no test is an error, because the
# requested test has not run.
set -uo pipefail
filter=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$@" | tee "$log"
status=$?
[ $status = 0 ] || exit $status
[ -n "$filter" ] || exit 0
awk '/^test result: / { for (i = 2; i <= NF; i++) if ($i ~ /^(passed|failed|ignored);/) ran += $(i-1) } END { exit ran == 0 }' "$log" || {
    echo "error: no test matches '$filter'" >&2
    exit 1
}
