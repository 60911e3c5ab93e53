#!/usr/bin/env bash
# Makes this checkout ready to build: installs what is missing where it can, names it where it cannot,
# and writes the choices it made to build/toolchain.mk. Running it again changes nothing.
# It edits no configuration outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
mkdir -p build/tools/bin

# shellcheck source-path=SCRIPTDIR
. scripts/setup/common.sh
. scripts/setup/rust.sh
. scripts/setup/packages.sh
. scripts/setup/go.sh
. scripts/setup/cue.sh
. scripts/setup/patches.sh

choose_rust || true
install_packages
if [ -z "$RUST_BIN" ]; then
    choose_rust || fail "no Rust compiler qualifies; version $RUST_MIN or later is needed" \
        "rustup component add rust-src clippy rustfmt; or let apt see Debian's security updates (suite bookworm-security), which bring one"
fi
say "Rust: $("$RUST_BIN/rustc" --version) in $RUST_BIN"
patch_crates
choose_go
install_cue
build_make_extension
write_toolchain
say "ready"
