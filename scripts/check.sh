#!/usr/bin/env bash
# Runs every check that needs no boot, cheapest first, and reports each failure with the command that
# reruns it. Used by `make check`.
set -uo pipefail
cd "$(dirname "$0")/.."
# Each step is a make of its own, not a part of the one that runs this.
MAKEFLAGS=$(sed -E 's/ ?-j[0-9]* ?--jobserver-[a-z]+=[^ ]*//' <<<"${MAKEFLAGS:-}")
export MAKEFLAGS

steps="fmt repo unit engines lint-host lint-kernel lint-userspace lint-guests doc"
failed=()
for step in $steps; do
    echo "check: $step" >&2
    ${MAKE:-make} "check-$step" || failed+=("$step")
done

for step in "${failed[@]}"; do
    echo "check: $step failed; rerun just that with: make check-$step" >&2
done
[ ${#failed[@]} -eq 0 ] && echo "check: everything passed" >&2
[ ${#failed[@]} -eq 0 ]
