#!/usr/bin/env bash
# `make test`: builds, checks and boots everything. Continues after a failure, so that one run shows all of
# them. The last line is `N passed, N failed`, counting single tests, and steps without tests.
set -uo pipefail
cd "$(dirname "$0")/.."
# Each step is a make of its own, not a part of the one that runs this.
MAKEFLAGS=$(sed -E 's/ ?-j[0-9]* ?--jobserver-[a-z]+=[^ ]*//' <<<"${MAKEFLAGS:-}")
export MAKEFLAGS
mkdir -p build/log
passed=0
failed=0

# step NAME: runs `make NAME`, shows and saves its output, and adds up the tests it reports.
step() {
    local log=build/log/$1.log status=0 in_log_passed in_log_failed
    echo "test: $1" >&2
    ${MAKE:-make} "$1" </dev/null 2>&1 | tee "$log" || status=1
    read -r in_log_passed in_log_failed < <(awk '
        /^test result: / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1) } }
        END { print p + 0, f + 0 }' "$log")
    passed=$((passed + in_log_passed))
    failed=$((failed + in_log_failed))
    # A step that reports no test, or fails without reporting one, counts as one.
    if [ $status = 0 ] && [ "$in_log_passed" = 0 ]; then
        passed=$((passed + 1))
    elif [ $status != 0 ] && [ "$in_log_failed" = 0 ]; then
        failed=$((failed + 1))
    fi
    if [ $status != 0 ]; then
        broken+=("$1")
    fi
}

broken=()
for name in setup build check-fmt check-repo check-unit check-engines check-lint-host check-lint-kernel check-lint-userspace check-lint-guests check-doc e2e test-programs; do
    step "$name"
done
for name in "${broken[@]}"; do
    echo "test: $name failed; rerun just that with: make $name" >&2
done
echo "$passed passed, $failed failed"
[ ${#broken[@]} -eq 0 ] && [ "$failed" -eq 0 ]
