# Sourced by setup.sh: the programs and files that each group needs, each with its Debian package. Existing
# installations from other sources are used.

# GROUP; cmd:NAME, file:PATH (a pattern may match) or test:FUNCTION; package; why.
needs() {
    cat <<'END'
build file:/etc/ssl/certs/ca-certificates.crt ca-certificates fetching pinned dependencies over TLS
build cmd:git git applying patches to crates
build cmd:cc gcc linking build scripts and host tools
build file:/usr/include/stdlib.h libc6-dev linking build scripts and host tools
build cmd:capnp capnproto compiling the schemas of interfaces
build cmd:ld.lld lld linking the kernel and native programs
guests cmd:wasm-ld lld linking WebAssembly programs
guests file:/usr/lib/wasm32-wasi/crt1-command.o wasi-libc the C library of WebAssembly programs
c cmd:clang clang compiling WebAssembly programs
c cmd:wasm-ld lld linking WebAssembly programs
c file:/usr/lib/wasm32-wasi/crt1-command.o wasi-libc the C library of WebAssembly programs
c test:wasm_builtins libclang-rt-14-dev-wasm32 compiler support routines of WebAssembly programs
run cmd:qemu-system-x86_64 qemu-system-x86 the machine that capOS runs on
iso cmd:grub-mkrescue grub-common making the image
iso file:/usr/lib/grub/i386-pc/multiboot2.mod grub-pc-bin booting it by BIOS
iso file:/usr/lib/grub/x86_64-efi/multiboot2.mod grub-efi-amd64-bin booting it by UEFI
iso cmd:xorriso xorriso making the image
iso cmd:mformat mtools making the image
uefi file:/usr/share/OVMF/OVMF_CODE*.fd ovmf the firmware
END
    local package
    for package in rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web; do
        echo "build test:rust_chosen $package the Rust compiler and its library's source"
    done
    echo "go test:go_or_venv python3-venv fetching Go"
    echo "cue test:cue_or_go python3-venv fetching Go, which builds CUE"
}

rust_chosen() { [ -n "$RUST_BIN" ] || choose_rust >/dev/null; }
go_or_venv() { [ -n "$(find_go)" ] || python3 -c 'import ensurepip, venv' 2>/dev/null; }
cue_or_go() { cue_ready || go_or_venv; }
wasm_builtins() { [ -e "$(clang --target=wasm32-wasi -print-libgcc-file-name 2>/dev/null)" ]; }

present() {
    case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null ;;
    file:*) compgen -G "${1#file:}" >/dev/null ;;
    test:*) "${1#test:}" ;;
    esac
}

# missing_in GROUP…: prints `PACKAGE PROBE WHY` for each package that one of the groups lacks, once.
missing_in() {
    local group probe package why seen=" "
    while read -r group probe package why; do
        [[ " $* " == *" $group "* && $seen != *" $package "* ]] || continue
        present "$probe" && continue
        seen+="$package "
        echo "$package $probe $why"
    done < <(needs)
}

# Prints all missing packages, by group, so that they can be installed together.
list_missing() {
    local group found package probe why
    for group in "${GROUPS_IN_ORDER[@]}"; do
        found=$(missing_in "$group")
        [ -z "$found" ] && continue
        echo "setup: missing for $(purpose "$group") (group $group):"
        while read -r package probe why; do
            case $probe in
            cmd:*) echo "setup:   $package (command ${probe#cmd:}): $why" ;;
            file:*) echo "setup:   $package (${probe#file:}): $why" ;;
            *) echo "setup:   $package: $why" ;;
            esac
        done <<<"$found"
    done
}

# install_packages GROUP…: installs their missing packages.
install_packages() {
    local package why missing=() run=()
    while read -r package _ why; do
        say "missing: $package ($why)"
        missing+=("$package")
    done < <(missing_in "$@")
    [ ${#missing[@]} -eq 0 ] && return 0

    local command="apt-get install --no-install-recommends --no-remove ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        list_missing >&2
        fail "not a Debian system, so nothing can be installed from here" \
            "install what brings these commands and files; the names are those of Debian 12's packages"
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            list_missing >&2
            fail "not root, and sudo is missing or asks for a password" "sudo $command"
        fi
        run=(sudo -n)
    fi
    say "installing: ${missing[*]}"
    # Two groups may be set up concurrently.
    (
        if command -v flock >/dev/null; then flock 9; fi
        update_lists && apt_get install -y --no-install-recommends --no-remove "${missing[@]}"
    ) 9>build/setup/apt.lock >>build/apt.log 2>&1 || {
        tail -n 15 build/apt.log >&2
        fail "apt-get failed (build/apt.log)" "$command"
    }
}

apt_get() { "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@"; }

# Package lists fetched within the last hour are recent enough.
update_lists() {
    [ -n "$(find build/setup/apt-updated -mmin -60 2>/dev/null)" ] && return 0
    apt_get update && touch build/setup/apt-updated
}
