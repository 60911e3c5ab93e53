# Sourced by setup.sh: the groups, messages, and the two files that the Makefile reads.

# The groups of set-up. A build requests a group when it first needs it.
GROUPS_IN_ORDER=(build guests c go cue run iso uefi)

# Prints the purpose of a group.
purpose() {
    case $1 in
    build) echo "building the kernel, native programs and the host command" ;;
    guests) echo "WebAssembly programs in Rust" ;;
    c) echo "WebAssembly programs in C" ;;
    go) echo "WebAssembly programs in Go" ;;
    cue) echo "evaluating manifests" ;;
    run) echo "booting: make run and the tests that boot" ;;
    iso) echo "make iso" ;;
    uefi) echo "testing the ISO by UEFI" ;;
    *) return 1 ;;
    esac
}

say() { echo "setup: $*"; }

# fail WHAT COMMAND: reports what is missing and how to install it.
fail() {
    echo "setup: error: $1" >&2
    echo "setup: to put it right:  $2" >&2
    exit 1
}

# at_least WANTED ACTUAL: compares dotted version numbers.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]
}

# Lets `make run-NAME` exit with the guest's status; plain make can only exit with 2.
build_make_extension() {
    local source=scripts/make_exec.c object=build/tools/make_exec.so
    [ "$object" -nt "$source" ] && return 0
    local header
    header=$(dirname "$(command -v make)")/../include/gnumake.h
    if [ ! -e "$header" ] || ! cc -shared -fPIC -O1 -Wall -I"$(dirname "$header")" -o "$object" "$source" 2>build/make_exec.log; then
        rm -f "$object"
        say "note: this make cannot be extended (gnumake.h or cc missing); a failing run-NAME exits with 2"
        return 0
    fi
    say "built $object, so that make can exit with a guest's status"
}

write_toolchain() {
    cat >build/toolchain.mk.new <<END
# Written by scripts/setup.sh.
RUST_BIN := $RUST_BIN
CARGO := $RUST_BIN/cargo
export RUSTC := $RUST_BIN/rustc
export RUSTDOC := $RUST_BIN/rustdoc
export RUSTFMT := $RUST_BIN/rustfmt
export CUE := $PWD/build/tools/bin/cue
END
    mv build/toolchain.mk.new build/toolchain.mk
}
