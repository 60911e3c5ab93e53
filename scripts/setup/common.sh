# Sourced by setup.sh: messages, and the two files that the Makefile reads.

say() { echo "setup: $*"; }

# fail WHAT COMMAND: names what is missing and what the user can do about it.
fail() {
    echo "setup: error: $1" >&2
    echo "setup: to put it right:  $2" >&2
    exit 1
}

# at_least WANTED ACTUAL: compares dotted version numbers.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]
}

# Lets `make run-NAME` exit with the guest's own status; without it make can only exit with 2.
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

# Written last: its presence tells the Makefile that setting up has succeeded.
write_toolchain() {
    cat >build/toolchain.mk.new <<END
# Written by scripts/setup.sh.
RUST_BIN := $RUST_BIN
CARGO := $RUST_BIN/cargo
export RUSTC := $RUST_BIN/rustc
export RUSTDOC := $RUST_BIN/rustdoc
export RUSTFMT := $RUST_BIN/rustfmt
export CUE := $PWD/build/tools/bin/cue
GO := $GO
END
    mv build/toolchain.mk.new build/toolchain.mk
}
