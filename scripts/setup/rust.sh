# Sourced by setup.sh: finds the first Rust compiler that can build the standard library from source.

RUST_MIN=1.95.0
RUST_BIN=

# The folder of the real binaries behind a `rustc`. A rustup proxy would select a toolchain anew on
# each call, so builds call the toolchain's binaries directly.
rust_sysroot() { RUSTUP_AUTO_INSTALL=0 "$1" --print sysroot 2>/dev/null; }

# Prints why the compiler is unusable; nothing if it is usable.
rust_defect() {
    local rustc=$1 sysroot version tool
    sysroot=$(rust_sysroot "$rustc") || { echo "it does not run"; return; }
    version=$("$sysroot/bin/rustc" --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1)
    at_least "$RUST_MIN" "${version:-0}" || { echo "version ${version:-unknown} is older than $RUST_MIN"; return; }
    [ -e "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] || { echo "it has no rust-src"; return; }
    for tool in cargo cargo-clippy clippy-driver cargo-fmt rustfmt; do
        [ -x "$sysroot/bin/$tool" ] || { echo "it has no $tool"; return; }
    done
}

choose_rust() {
    local candidate defect seen=:
    for candidate in $(type -ap rustc) /usr/bin/rustc; do
        case $seen in *":$candidate:"*) continue ;; esac
        seen=$seen$candidate:
        [ -x "$candidate" ] || continue
        defect=$(rust_defect "$candidate")
        if [ -z "$defect" ]; then
            RUST_BIN=$(rust_sysroot "$candidate")/bin
            return 0
        fi
        say "passed over $candidate: $defect"
    done
    return 1
}
