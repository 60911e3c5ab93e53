# Sourced by setup.sh: builds tools/cue, which evaluates manifests, from the sources that its go.sum pins.

# Hash of the inputs: a change causes a rebuild.
cue_state() { cat tools/cue/* scripts/setup/cue.sh | sha256sum; }
cue_ready() { [ -x build/tools/bin/cue ] && [ "$(cat build/tools/cue.state 2>/dev/null)" = "$(cue_state)" ]; }

install_cue() {
    cue_ready && return 0
    [ -n "$GO" ] || fail "no Go $GO_MIN or later" "install Go $GO_MIN or later and put it on PATH"
    say "building tools/cue with $GO"
    build_cue >build/cue.log 2>&1 || {
        tail -n 5 build/cue.log >&2
        fail "tools/cue could not be built (build/cue.log)" "make setup"
    }
    build/tools/bin/cue version >/dev/null || fail "the built tools/cue does not run" "rm -r build/tools && make setup"
    cue_state >build/tools/cue.state
    # Sources and caches of the build, which are not needed any more.
    rm -rf build/go build/cue
}

build_cue() (
    set -e
    rm -rf build/cue
    cp -r tools/cue build/cue
    go=(env -u GOROOT -u GOOS -u GOARCH GOTOOLCHAIN=local GOWORK=off GO111MODULE=on CGO_ENABLED=0 GOPATH="$PWD/build/go"
        GOMODCACHE="$PWD/build/go/mod" GOCACHE="$PWD/build/go/cache" "$GO")
    cd build/cue
    GOFLAGS=-modcacherw "${go[@]}" mod vendor
    # Only for module registries, which tools/cue lacks. Its import, net/http, takes a third of the build time.
    rm vendor/cuelang.org/go/internal/cueversion/transport.go
    # Without optimisation: evaluating a manifest is fast enough.
    GOFLAGS=-mod=vendor "${go[@]}" build -buildvcs=false -gcflags=all='-dwarf=false -N -l' -ldflags='-s -w' -o ../tools/bin/cue .
)
