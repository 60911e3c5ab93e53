# Sourced by setup.sh: the programs and files that the build and the tests need, each with the Debian
# package that brings it. What is there already, from wherever, is left alone.

# cmd:NAME, file:PATH (a pattern may match) or test:FUNCTION; package; why.
needs() {
    cat <<'END'
file:/etc/ssl/certs/ca-certificates.crt ca-certificates fetching pinned dependencies over TLS
cmd:git git applying patches to crates
cmd:cc gcc linking build scripts and host tools
file:/usr/include/stdlib.h libc6-dev linking build scripts and host tools
cmd:ld.lld lld linking the kernel and userspace
cmd:wasm-ld lld linking WebAssembly programs
cmd:clang clang compiling WebAssembly programs written in C
file:/usr/lib/wasm32-wasi/crt1-command.o wasi-libc the C library of WebAssembly programs
test:wasm_builtins libclang-rt-14-dev-wasm32 compiler support routines of WebAssembly programs in C
cmd:qemu-system-x86_64 qemu-system-x86 running capOS
cmd:grub-mkrescue grub-common make iso
file:/usr/lib/grub/i386-pc/multiboot2.mod grub-pc-bin booting the ISO by BIOS
file:/usr/lib/grub/x86_64-efi/multiboot2.mod grub-efi-amd64-bin booting the ISO by UEFI
cmd:xorriso xorriso make iso
cmd:mformat mtools make iso
file:/usr/share/OVMF/OVMF_CODE*.fd ovmf testing the ISO by UEFI
END
    if [ -z "$RUST_BIN" ]; then
        local package
        for package in rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web; do
            echo "test:rust_chosen $package the Rust compiler and its library's source"
        done
    fi
    if [ -z "$(find_go)" ]; then
        echo "test:has_venv python3-venv fetching Go, which builds CUE and programs in Go"
    fi
}

rust_chosen() { [ -n "$RUST_BIN" ]; }
has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
wasm_builtins() { [ -e "$(clang --target=wasm32-wasi -print-libgcc-file-name 2>/dev/null)" ]; }

present() {
    case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null ;;
    file:*) compgen -G "${1#file:}" >/dev/null ;;
    test:*) "${1#test:}" ;;
    esac
}

install_packages() {
    local probe package why missing=() run=()
    while read -r probe package why; do
        present "$probe" && continue
        case " ${missing[*]} " in *" $package "*) continue ;; esac
        say "missing: $package ($why)"
        missing+=("$package")
    done < <(needs)
    [ ${#missing[@]} -eq 0 ] && return 0

    local command="apt-get install --no-install-recommends --no-remove ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        fail "not a Debian system: install what these Debian packages bring: ${missing[*]}" "your distribution's package manager"
    fi
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "not root, and sudo asks for a password" "sudo $command"
        run=(sudo -n)
    fi
    say "installing: ${missing[*]}"
    {
        "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update &&
            "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --no-remove "${missing[@]}"
    } >build/apt.log 2>&1 || {
        tail -n 15 build/apt.log >&2
        fail "apt-get failed (build/apt.log)" "$command"
    }
}
