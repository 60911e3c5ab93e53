# Sourced by setup.sh: released crates that are built with patches. `patches/NAME-VERSION/` holds the patches;
# cargo fetches the crate, verified against the checksum in `patches/Cargo.lock`.

# The path in `[patch.crates-io]` of Cargo.toml. If the folder is missing, cargo's message names it, and thereby the
# command that creates it.
PATCHED=build/patched-by-make-setup

# patch_state FOLDER: a hash of all inputs of the folder's crate.
patch_state() { cat patches/Cargo.lock "$1"/*.patch scripts/setup/patches.sh | sha256sum; }

# patched FOLDER: the path of the patched crate.
patched() {
    local crate=${1##*/}
    echo "$PATCHED/${crate%-*}"
}

patch_crates() {
    local folder stale=()
    for folder in patches/*-*; do
        [ "$(cat "$(patched "$folder")/.patches" 2>/dev/null)" = "$(patch_state "$folder")" ] || stale+=("$folder")
    done
    [ ${#stale[@]} -eq 0 ] && return 0
    rm -rf build/patching
    RUSTC=$RUST_BIN/rustc "$RUST_BIN/cargo" vendor --locked --versioned-dirs --respect-source-config \
        --manifest-path patches/Cargo.toml build/patching >/dev/null 2>build/patches.log || {
        cat build/patches.log >&2
        fail "the crates that patches/Cargo.toml names could not be fetched (build/patches.log)" "make setup, with a network"
    }
    for folder in "${stale[@]}"; do
        patch_crate "$folder"
    done
    rm -rf build/patching
}

# patch_crate FOLDER: applies the folder's patches to the fetched crate and installs it.
patch_crate() {
    local crate=${1##*/} target file
    target=$(patched "$1")
    [ -d "build/patching/$crate" ] || fail "$1 is for a crate that patches/Cargo.toml does not name" "add it there, and to patches/Cargo.lock"
    # In numeric order: 10 after 9.
    for file in $(printf '%s\n' "$1"/*.patch | sort -V); do
        # Outside any repository, so that git does not ignore the folder.
        (cd "build/patching/$crate" && GIT_CEILING_DIRECTORIES="$OLDPWD/build" git apply --whitespace=nowarn "$OLDPWD/$file") \
            2>build/patches.log || {
            cat build/patches.log >&2
            fail "$file does not apply to the release of $crate" "bring the patch up to date (docs/patches.md)"
        }
    done
    # Cargo compares file times, and the archive's are old: it must notice a removed patch, too.
    find "build/patching/$crate" -type f -exec touch {} +
    patch_state "$1" >"build/patching/$crate/.patches"
    mkdir -p "$PATCHED"
    rm -rf "$target"
    mv "build/patching/$crate" "$target"
    say "patched $crate"
}
