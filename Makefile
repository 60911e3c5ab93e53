# capOS: sets up, builds, runs and checks everything. `make help` lists what there is to say.

SHELL := /bin/bash
# Commands are shown on standard error, by the shell: standard output belongs to the guest.
.SHELLFLAGS := -eu$(if $(V),x)o pipefail -c
.SILENT:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# What `make run` boots, and what `make iso` packs.
NAME ?= wasi-hello-rust
# V=1 shows build commands and the kernel's log. Other settings: see `make help`.
V ?=
TIMEOUT ?=
MEM ?=
SMP ?=
QEMU_EXTRA ?=

# --- Set-up -------------------------------------------------------------------------------------------------

# Make remakes an included file that is missing or old, then starts over: so the first build sets up.
NEEDS_NO_SETUP := help clean setup
ifneq ($(filter-out $(NEEDS_NO_SETUP),$(or $(MAKECMDGOALS),help)),)
include build/toolchain.mk
endif
build/toolchain.mk: scripts/setup.sh $(wildcard scripts/setup/*.sh patches/* patches/*/*) scripts/make_exec.c
	scripts/setup.sh >&2

# A user's settings for other projects must not reach these builds.
unexport RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_TARGET_DIR
unexport RUSTC_WORKSPACE_WRAPPER RUSTUP_TOOLCHAIN CARGO_MAKEFLAGS
unexport CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS
export CARGO_TARGET_DIR := $(CURDIR)/target
# The standard library is built from source, which a released compiler does only when told so.
export RUSTC_BOOTSTRAP := 1
export CARGO

# --- What is built ------------------------------------------------------------------------------------------

QUIET := $(if $(V),,--quiet)
# The first package name in each of some Cargo.toml files.
packages = $(foreach file,$(1),$(shell sed -n '/^name *= */{s/.*"\(.*\)"/\1/p;q}' $(file)))

KERNEL_TARGET := x86_64-unknown-none
USER_TARGET := x86_64-capos-hermit
GUEST_TARGET := wasm32-wasip1

USER_PACKAGES := $(call packages,$(wildcard services/*/Cargo.toml demos/native/*/Cargo.toml capos-wasm/process/Cargo.toml))
C_GUESTS := $(patsubst demos/c/%.c,build/wasm/%.wasm,$(wildcard demos/c/*.c))
GO_GUESTS := $(if $(GO),$(patsubst demos/go/%.go,build/wasm/%.wasm,$(wildcard demos/go/*.go)))
TEXT_GUESTS := $(patsubst demos/wat/%.wat,build/wasm/%.wasm,$(wildcard demos/wat/*.wat))

KERNEL_FLAGS := -p capos-kernel --release --target $(KERNEL_TARGET) -Zbuild-std=core,alloc,compiler_builtins \
	-Zbuild-std-features=compiler-builtins-mem
USER_FLAGS := $(USER_PACKAGES:%=-p %) --bins --release --target targets/$(USER_TARGET).json -Zjson-target-spec \
	-Zbuild-std=std,panic_abort -Zbuild-std-features=compiler-builtins-mem
GUEST_FLAGS := -p capos-guests --bins --profile guest --target $(GUEST_TARGET) -Zbuild-std=std,panic_abort

# Builds read nothing from standard input: it belongs to the guest.
cargo = $(CARGO) $(1) --locked $(QUIET) $(2) </dev/null
clippy = $(RUST_BIN)/cargo-clippy clippy --locked $(QUIET) $(1) -- -D warnings </dev/null

.PHONY: help setup build kernel userspace guests image run iso test check e2e test-programs bench fmt clean ci
help: ## this list
	echo "capOS. Targets:"
	sed -n 's/^\([a-zA-Z][a-zA-Z0-9%_-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | sed 's/%/NAME/' | expand -t 26
	echo "Programs to run: $(sort $(filter-out schema,$(basename $(notdir $(wildcard manifests/*.cue)))))"
	echo "Settings: V=1 (build commands, kernel log), TIMEOUT=seconds, MEM=64M, SMP=cpus, QEMU_EXTRA='qemu options'"

setup: ## install and choose tools; building does this by itself
	scripts/setup.sh >&2

build: kernel userspace guests build/tools/bin/capos ## everything that a run needs

kernel: ## the kernel
	echo "build: kernel" >&2
	$(call cargo,build,$(KERNEL_FLAGS))

userspace: ## init, services, the WebAssembly host and the native demos
	echo "build: userspace" >&2
	$(call cargo,build,$(USER_FLAGS))

guests: guests-rust $(C_GUESTS) $(GO_GUESTS) $(TEXT_GUESTS) ## the WebAssembly programs, into build/wasm
	$(if $(GO),,echo "build: note: no Go here, so the programs in Go are left out; \`make setup\` looks for one again" >&2)

.PHONY: guests-rust
guests-rust:
	echo "build: guests" >&2
	$(call cargo,build,$(GUEST_FLAGS))
	mkdir -p build/wasm
	for module in target/$(GUEST_TARGET)/guest/*.wasm; do \
		cmp -s "$$module" "build/wasm/$${module##*/}" || cp "$$module" build/wasm/; \
	done

$(C_GUESTS): build/wasm/%.wasm: demos/c/%.c Makefile
	mkdir -p build/wasm
	clang --target=wasm32-wasi -O2 -Wall -Wextra -Werror -Wl,--strip-debug -o $@ $<

$(GO_GUESTS): build/wasm/%.wasm: demos/go/%.go Makefile
	echo "build: $<" >&2
	mkdir -p build/wasm
	env -u GOROOT -u GOFLAGS GOTOOLCHAIN=local GO111MODULE=off GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 GOPATH="$(CURDIR)/build/go" \
		GOCACHE="$(CURDIR)/build/go-cache" "$(GO)" build -trimpath -ldflags='-s -w' -o $@ $<

$(TEXT_GUESTS): build/wasm/%.wasm: demos/wat/%.wat
	mkdir -p build/wasm
	$(call cargo,run,-p capos-assemble -- $< $@)

# The host command. A copy, so that tests and other programs built beside it cannot change it under a run.
.PHONY: build/tools/bin/capos
build/tools/bin/capos:
	echo "build: capos" >&2
	$(call cargo,build,-p capos)
	cmp -s target/debug/capos $@ || install -D target/debug/capos $@

# --- Running ------------------------------------------------------------------------------------------------

RUN_OPTIONS := $(if $(TIMEOUT),--timeout $(TIMEOUT)) $(if $(MEM),--memory $(MEM)) $(if $(SMP),--smp $(SMP)) \
	$(if $(QEMU_EXTRA),--qemu-extra='$(QEMU_EXTRA)') $(if $(V),--verbose)
run_command = build/tools/bin/capos run $(RUN_OPTIONS) manifests/$(1).cue

# With a single run as its goal, make becomes that run, so that the guest's exit status is make's own.
# Among other goals, with -n, or where make cannot be extended, the run is an ordinary command.
ifneq ($(wildcard build/tools/make_exec.so),)
load build/tools/make_exec.so
endif
ONLY_GOAL := $(and $(filter 1,$(words $(MAKECMDGOALS))),$(filter run run-%,$(MAKECMDGOALS)))
DRY_RUN := $(findstring n,$(filter-out -%,$(firstword $(MAKEFLAGS))))
ifneq ($(and $(filter build/tools/make_exec.so,$(.LOADED)),$(ONLY_GOAL),$(if $(DRY_RUN),,yes)),)
run_program = $(exec-shell exec $(run_command))
else
run_program = $(run_command) || { status=$$?; echo "capos: exit status $$status" >&2; exit $$status; }
endif

run: run-$(NAME) ## build and boot the first program, and print its output

run-%: manifests/%.cue build ## boot manifests/NAME.cue; exits with the guest's exit status
	$(call run_program,$*)

image: build ## pack what NAME=... boots into build/NAME.img
	build/tools/bin/capos image manifests/$(NAME).cue -o build/$(NAME).img

iso: build ## a bootable build/NAME.iso (GRUB, BIOS and UEFI)
	build/tools/bin/capos iso manifests/$(NAME).cue -o build/$(NAME).iso

bench: build ## measure, and print `name value unit` lines
	build/tools/bin/capos bench

# --- Checking -----------------------------------------------------------------------------------------------

test: ## set up, build, check and boot everything; ends with `N passed, N failed`
	scripts/test.sh

ci: test ## what continuous integration runs

check: ## everything that needs no boot: format, lints, repository rules, unit tests
	scripts/check.sh

e2e: build ## boot every manifest and compare output and exit status (TESTS=name for some)
	$(call cargo,test,--no-fail-fast -p capos-tests -- $(TESTS))

test-programs: build ## run programs that other people wrote: MicroPython, Ruby, SQLite (fetched; left out where they cannot be)
	scripts/programs.sh </dev/null
	$(call cargo,test,--no-fail-fast -p capos-tests --test programs -- $(TESTS))

# More than building and running the unit tests takes on two processors.
UNIT_SECONDS := 1500

.PHONY: check-fmt check-repo check-unit check-lint-host check-lint-kernel check-lint-userspace check-lint-guests
check-fmt: ## formatting
	$(RUST_BIN)/cargo-fmt fmt --all --check </dev/null

check-repo: ## repository rules and what the documents name
	$(call cargo,test,-p capos-repo)

check-unit: ## unit tests on the host
	# A test that hangs must not hang everything after it.
	timeout $(UNIT_SECONDS) $(call cargo,test,--no-fail-fast)

check-lint-host: ## clippy on what runs on the host
	$(call clippy,--all-targets)
	$(call clippy,--all-targets -p capos-tests -p capos-repo)

check-lint-kernel: ## clippy on the kernel
	$(call clippy,$(KERNEL_FLAGS))

check-lint-userspace: ## clippy on native programs
	$(call clippy,$(USER_FLAGS))

check-lint-guests: ## clippy on the WebAssembly programs
	$(call clippy,$(GUEST_FLAGS))

fmt: ## format the source
	$(RUST_BIN)/cargo-fmt fmt --all

clean: ## remove everything built, tools included
	rm -rf build target
