# Sourced by setup.sh: builds the `cue` command, which evaluates manifests, at a pinned version into build/.

CUE_VERSION=v0.17.1

cue_ready() { [ "$(build/tools/bin/cue version 2>/dev/null | head -n1)" = "cue version $CUE_VERSION" ]; }

install_cue() {
    cue_ready && return 0
    [ -n "$GO" ] || fail "no Go $GO_MIN or later" "install Go $GO_MIN or later and put it on PATH"
    say "building CUE $CUE_VERSION with $GO"
    env -u GOROOT -u GOOS -u GOARCH GOTOOLCHAIN=local GOFLAGS=-modcacherw GOPATH="$PWD/build/go" GOMODCACHE="$PWD/build/go/mod" \
        GOCACHE="$PWD/build/go/cache" GOBIN="$PWD/build/tools/bin" \
        "$GO" install -gcflags=all=-dwarf=false -ldflags='-s -w' "cuelang.org/go/cmd/cue@$CUE_VERSION" >build/cue.log 2>&1 || {
        tail -n 5 build/cue.log >&2
        fail "CUE could not be built (build/cue.log)" "make setup"
    }
    cue_ready || fail "the built CUE does not run" "rm -r build/tools && make setup"
    # Sources and caches of the build, a few hundred MB that nothing else uses.
    rm -rf build/go
}
