#!/usr/bin/env bash
# Sets up this checkout: installs missing packages where it can, and lists them where it cannot. Running it again
# changes nothing. It edits no configuration outside the checkout.
#
#   scripts/setup.sh [GROUP…]     the groups are listed in scripts/setup/common.sh; without one, all of them
#
# Each completed group leaves build/setup/GROUP. The group `build` also writes its choices to build/toolchain.mk.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# shellcheck source-path=SCRIPTDIR
. scripts/setup/common.sh
. scripts/setup/rust.sh
. scripts/setup/packages.sh
. scripts/setup/go.sh
. scripts/setup/cue.sh
. scripts/setup/patches.sh

wanted=("$@")
[ $# -gt 0 ] || wanted=("${GROUPS_IN_ORDER[@]}")
for group in "${wanted[@]}"; do
    purpose "$group" >/dev/null || fail "no group is called $group" "scripts/setup.sh ${GROUPS_IN_ORDER[*]}"
done
mkdir -p build/setup build/tools/bin

wants() { [[ " ${wanted[*]} " == *" $1 "* ]]; }

if wants build; then
    choose_rust || true
fi
install_packages "${wanted[@]}"
if wants build; then
    if [ -z "$RUST_BIN" ]; then
        choose_rust || fail "no Rust compiler qualifies; version $RUST_MIN or later is needed" \
            "rustup component add rust-src clippy rustfmt; or let apt see Debian's security updates (suite bookworm-security), which bring one"
    fi
    say "Rust: $("$RUST_BIN/rustc" --version) in $RUST_BIN"
    patch_crates
    build_make_extension
fi
if wants go || wants cue; then
    choose_go
fi
if wants cue; then
    install_cue
fi

# Written last: their presence tells the Makefile that set-up has succeeded.
for group in "${wanted[@]}"; do
    case $group in
    build) write_toolchain && touch build/setup/build ;;
    # Records the path of Go; empty if there is none.
    go) echo "$GO" >build/setup/go ;;
    *) touch "build/setup/$group" ;;
    esac
done
say "ready: ${wanted[*]}"
