# capOS: sets up, builds, runs and checks everything. `make help` lists the targets.

SHELL := /bin/bash
# Commands are shown on standard error, by the shell: standard output belongs to the guest.
.SHELLFLAGS := -eu$(if $(V),x)o pipefail -c
.SILENT:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# The manifest for `make run` and `make iso`.
NAME ?= hello
# V=1 shows build commands and the kernel's log. Other settings: see `make help`.
V ?=
TIMEOUT ?=
MEM ?=
SMP ?=
QEMU_EXTRA ?=
# The build profile of the kernel and native programs: see Cargo.toml.
PROFILE ?= release

# --- Set-up -------------------------------------------------------------------------------------------------

# Independent parts are built in parallel, unless -j is given: with two more jobs than processors, since some of them
# download.
ifeq ($(findstring jobserver,$(shell echo "$${MAKEFLAGS-}")),)
MAKEFLAGS += -j$(shell echo $$(($$(nproc) + 2)))
endif

# Goals that evaluate manifests.
EVALUATING := run run-% programs programs-% host build image iso e2e test-spec test-programs bench
SETUP := scripts/setup.sh $(wildcard scripts/setup/*.sh)
# Make remakes a missing or outdated included file, then starts over; so the first build sets up.
NEEDS_NO_SETUP := help clean setup
ifneq ($(filter-out $(NEEDS_NO_SETUP),$(or $(MAKECMDGOALS),help)),)
include build/toolchain.mk
endif
build/toolchain.mk: $(SETUP) $(wildcard patches/* patches/*/*) scripts/make_exec.c
	scripts/setup.sh build >&2

# Other groups are set up when a target needs them; scripts/setup/common.sh lists the groups.
build/setup/%: $(SETUP)
	scripts/setup.sh $* >&2
# Go builds CUE, and is fetched at most once.
build/setup/cue: build/setup/go $(wildcard tools/cue/*)
# At the first build, if Go is installed, it builds CUE while the Rust compiler is being installed.
ifneq ($(if $(wildcard build/toolchain.mk),,$(and $(filter $(EVALUATING),$(MAKECMDGOALS)),$(shell command -v go))),)
-include build/setup/cue
endif

# A user's settings for other projects must not affect these builds.
unexport RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_TARGET_DIR
unexport RUSTC_WORKSPACE_WRAPPER RUSTUP_TOOLCHAIN CARGO_MAKEFLAGS
unexport CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS
export CARGO_TARGET_DIR := $(CURDIR)/target
# The standard library is built from source, which a released compiler does only with this set.
export RUSTC_BOOTSTRAP := 1
export CARGO

# --- What is built ------------------------------------------------------------------------------------------

PROFILE_OPTION := $(if $(filter-out release,$(PROFILE)),--profile $(PROFILE))
QUIET := $(if $(V),,--quiet)
# The first package name in each of the Cargo.toml files, and the names of all programs that they can have.
packages = $(foreach file,$(1),$(shell sed -n '/^name *= */{s/.*"\(.*\)"/\1/p;q}' $(file)))
programs = $(shell sed -n 's/^name *= *"\(.*\)"/\1/p' $(1)) $(basename $(notdir $(wildcard $(1:%/Cargo.toml=%/src/bin/*.rs))))
stems = $(basename $(notdir $(1)))

KERNEL_TARGET := x86_64-unknown-none
USER_TARGET := x86_64-capos-hermit
GUEST_TARGET := wasm32-wasip1

# Demonstration programs are in demos/, test and benchmark programs in tests/; they are built alike.
# Each of these is built by a call of cargo of its own, which unifies features: the compiler is in no other program, not even in the
# host that runs compiled code. (wasm-mangle generates modules, like one of the tests there.)
COMPILER_CRATE := services/compiler/worker/Cargo.toml
COMPILED_CRATE := capos-wasm/compiled/Cargo.toml tests/differential/Cargo.toml tests/spec/Cargo.toml tests/native/wasm-mangle/Cargo.toml
USER_CRATES := $(filter-out $(COMPILED_CRATE),$(wildcard services/*/Cargo.toml storage/service/Cargo.toml capos-wasm/process/Cargo.toml \
	demos/native/*/Cargo.toml tests/native/*/Cargo.toml))
USER_PACKAGES := $(call packages,$(USER_CRATES))
GUEST_CRATES := $(wildcard demos/guests/Cargo.toml tests/guests/Cargo.toml)
GUEST_PACKAGES := $(call packages,$(GUEST_CRATES))
RUST_GUESTS := $(call stems,$(wildcard $(GUEST_CRATES:%/Cargo.toml=%/src/bin/*.rs)))
C_GUESTS := $(call stems,$(wildcard demos/c/*.c tests/c/*.c))
GO_GUESTS := $(call stems,$(wildcard demos/go/*.go tests/go/*.go))
TEXT_GUESTS := $(call stems,$(wildcard demos/wat/*.wat tests/wat/*.wat))
modules = $(1:%=build/wasm/%.wasm)

# The programs to build: `native NAME` and `module NAME` pairs as printed by `capos needs`, or everything.
NEEDS ?=
named = $(patsubst $(1)/%,%,$(filter $(1)/%,$(subst native ,native/,$(subst module ,module/,$(NEEDS)))))
choose = $(if $(NEEDS),$(filter $(call named,$(1)),$(2)),$(2))
CHOSEN_NATIVE := $(if $(NEEDS),$(call choose,native,$(sort $(call programs,$(USER_CRATES)))))
CHOSEN_RUST_GUESTS := $(call choose,module,$(RUST_GUESTS))

# In a folder of its own: cargo locks a profile's folder, and native programs are built at the same time.
KERNEL_FLAGS := -p capos-kernel --profile $(PROFILE) --target $(KERNEL_TARGET) --target-dir target/kernel \
	-Zbuild-std=core,alloc,compiler_builtins -Zbuild-std-features=compiler-builtins-mem
USER_BUILD := --target targets/$(USER_TARGET).json -Zjson-target-spec -Zbuild-std=std,panic_abort \
	-Zbuild-std-features=compiler-builtins-mem
USER_FLAGS := $(USER_PACKAGES:%=-p %) $(or $(CHOSEN_NATIVE:%=--bin %),--bins) --profile $(PROFILE) $(USER_BUILD)
# The compiler is optimised in one way in every profile: across all its crates at once, that takes very long.
COMPILER_FLAGS := -p $(call packages,$(COMPILER_CRATE)) --bins --profile release $(USER_BUILD)
CHOSEN_COMPILED := $(if $(NEEDS),$(call choose,native,$(sort $(call programs,$(COMPILED_CRATE)))))
COMPILED_FLAGS := $(addprefix -p ,$(call packages,$(COMPILED_CRATE))) $(or $(CHOSEN_COMPILED:%=--bin %),--bins) --profile $(PROFILE) $(USER_BUILD)
# The flags of those calls that are needed.
apart = $(if $(2),$(if $(call choose,native,$(call programs,$(2))),$(1)))
NEEDED_COMPILER := $(call apart,$(COMPILER_FLAGS),$(COMPILER_CRATE))
NEEDED_COMPILED := $(call apart,$(COMPILED_FLAGS),$(COMPILED_CRATE))
# All engines of the WebAssembly host, for its tests; programs that are shipped have one.
ENGINES := --features capos-wasm/compiled-code
# Programs that run on this computer, without `-p` and with the tests' features, so that the tests find every library compiled.
HOST_FLAGS := $(ENGINES) --bin
# Without the library's backtraces: WebAssembly cannot walk its own stack.
GUEST_FLAGS := $(GUEST_PACKAGES:%=-p %) $(CHOSEN_RUST_GUESTS:%=--bin %) --profile guest --target $(GUEST_TARGET) \
	-Zbuild-std=std,panic_abort -Zbuild-std-features=panic-unwind

# Builds read nothing from standard input, which belongs to the guest. Cargo schedules its own jobs.
cargo = env -u MAKEFLAGS -u MFLAGS $(CARGO) $(1) --locked $(QUIET) $(2) </dev/null
clippy = env -u MAKEFLAGS -u MFLAGS $(RUST_BIN)/cargo-clippy clippy --locked $(QUIET) $(1) -- -D warnings </dev/null

.PHONY: help setup build kernel userspace guests host programs unit image run iso test check e2e test-spec test-programs bench new-service fmt clean ci
help: ## this list
	echo "capOS. Targets:"
	sed -n 's/^\([a-zA-Z][a-zA-Z0-9%_-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | sed 's/%/NAME/' | expand -t 26
	echo "Programs to run: $(USER_MANIFESTS)"
	echo "Settings: V=1 (build commands, kernel log), TIMEOUT=seconds, MEM=64M, SMP=cpus, QEMU_EXTRA='qemu options',"
	echo "  ENGINE=compiler (machine code for the WebAssembly programs; or ENGINE=auto),"
	echo "  PROFILE=shipped (link-time optimisation: as released and as benchmarks measure, slow to build)"

setup: ## install and choose every tool; building installs what it needs by itself
	scripts/setup.sh >&2

build: kernel userspace guests host ## build everything that can be booted

kernel: ## build the kernel
	echo "build: kernel" >&2
	$(call cargo,build,$(KERNEL_FLAGS))

userspace: ## build init, services, the WebAssembly host and the native demos
	echo "build: userspace" >&2
	$(call cargo,build,$(USER_FLAGS))
	$(if $(NEEDED_COMPILED),$(call cargo,build,$(COMPILED_FLAGS)))
	$(if $(NEEDED_COMPILER),echo "build: compiler" >&2)
	$(if $(NEEDED_COMPILER),$(call cargo,build,$(COMPILER_FLAGS)))

# The manifests that users boot, and those and the tests' together.
USER_MANIFESTS := $(sort $(filter-out schema,$(call stems,$(wildcard manifests/*.cue))))
MANIFESTS := $(USER_MANIFESTS) $(filter-out schema,$(call stems,$(wildcard tests/manifests/*.cue)))
no_manifest = scripts/no-manifest.sh '$(1)' $(USER_MANIFESTS)

# The builder of a module in each language. Only the selected ones are requested.
guests: $(call modules,$(foreach kind,C_GUESTS GO_GUESTS TEXT_GUESTS,$(call choose,module,$($(kind))))) $(if $(CHOSEN_RUST_GUESTS),guests-rust) ## build the WebAssembly programs, into build/wasm

.PHONY: guests-rust
guests-rust: build/setup/guests
	echo "build: guests" >&2
	$(call cargo,build,$(GUEST_FLAGS))
	mkdir -p build/wasm
	for module in $(CHOSEN_RUST_GUESTS:%=target/$(GUEST_TARGET)/guest/%.wasm); do \
		cmp -s "$$module" "build/wasm/$${module##*/}" || cp "$$module" build/wasm/; \
	done

vpath %.c demos/c tests/c
vpath %.go demos/go tests/go
vpath %.wat demos/wat tests/wat
vpath %.cue manifests tests/manifests

$(call modules,$(C_GUESTS)): build/wasm/%.wasm: %.c Makefile | build/setup/c
	mkdir -p build/wasm
	clang --target=wasm32-wasi -O2 -Wall -Wextra -Werror -Wl,--strip-debug -o $@ $<

# build/setup/go names the Go to use; without one, programs in Go are left out.
$(call modules,$(GO_GUESTS)): build/wasm/%.wasm: %.go Makefile | build/setup/go
	echo "build: $<" >&2
	mkdir -p build/wasm
	go=$$(cat build/setup/go); \
	if [ -n "$$go" ]; then \
		env -u GOROOT -u GOFLAGS GOTOOLCHAIN=local GO111MODULE=off GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 GOPATH="$(CURDIR)/build/go" \
			GOCACHE="$(CURDIR)/build/go-cache" "$$go" build -trimpath -ldflags='-s -w' -o $@ $<; \
	else \
		echo "build: note: no Go here, so $< is left out; \`scripts/setup.sh go\` looks for one again" >&2; \
	fi

$(call modules,$(TEXT_GUESTS)): build/wasm/%.wasm: %.wat
	mkdir -p build/wasm
	$(call cargo,run,$(HOST_FLAGS) capos-assemble -- $< $@)

# The host command, which evaluates manifests with CUE.
host: build/tools/bin/capos build/setup/cue ## build the host command `capos`, into build/tools/bin

# A copy, so that building tests and other programs cannot change it during a run.
.PHONY: build/tools/bin/capos
build/tools/bin/capos:
	echo "build: capos" >&2
	$(call cargo,build,$(HOST_FLAGS) capos)
	cmp -s target/debug/capos $@ || install -D target/debug/capos $@

# What `capos run --engine=$(ENGINE)` needs besides.
ENGINE ?= interpreter
ENGINE_OPTION := $(if $(filter-out interpreter,$(ENGINE)),--engine=$(ENGINE))
ENGINE_NEEDS := $(if $(filter-out interpreter,$(ENGINE)),native capos-wasm-compiled native compiler native compiler-worker)
# The requirements of any external program: `capos run program.wasm`.
programs: host programs-of-any kernel-after-host build/setup/run ## build only what `capos run PROGRAM.wasm` needs (ENGINE=compiler or auto for --engine)

.PHONY: programs-of-any
programs-of-any:
	$(MAKE) userspace NEEDS='native init native capos-console native capos-wasm native fs native virtio-blk $(ENGINE_NEEDS)'

# Builds only what one manifest names. Errors in the manifest are reported when it is run.
$(MANIFESTS:%=programs-%): programs-%: %.cue host certain-% kernel-after-host
	needs=$$(build/tools/bin/capos needs $(ENGINE_OPTION) $< 2>/dev/null) || exit 0; \
	$(MAKE) userspace guests NEEDS="$$(echo $$needs)"

# The kernel, beside the longest part of the native programs, in which one compiler works alone.
.PHONY: kernel-after-host
kernel-after-host: host
	$(MAKE) kernel

# What a manifest certainly needs, by its text: what takes longest to build, beside the host command, which can tell the rest.
.PHONY: $(MANIFESTS:%=certain-%)
$(MANIFESTS:%=certain-%): certain-%: %.cue
	$(MAKE) userspace NEEDS="native init $$(grep -q '^wasm:' $< && echo native capos-wasm) $$(grep -q '^console:' $< || echo native capos-console)"

# --- Running ------------------------------------------------------------------------------------------------

RUN_OPTIONS := $(PROFILE_OPTION) $(if $(TIMEOUT),--timeout $(TIMEOUT)) $(if $(MEM),--memory $(MEM)) $(if $(SMP),--smp $(SMP)) \
	$(if $(QEMU_EXTRA),--qemu-extra='$(QEMU_EXTRA)') $(if $(V),--verbose) $(ENGINE_OPTION)
# A manifest that users boot, or one of the tests.
manifest = $(firstword $(wildcard manifests/$(1).cue tests/manifests/$(1).cue))
# Builds what manifests need, in one go.
build_for = needs=$$(for manifest in $(foreach name,$(1),$(call manifest,$(name))); do build/tools/bin/capos needs $$manifest; done | sort -u); \
	$(MAKE) userspace guests NEEDS="$$(echo $$needs)"
run_command = build/tools/bin/capos run $(RUN_OPTIONS) $(call manifest,$(1))

# If a single run is the goal, make becomes that run, so that make exits with the guest's status.
# Among other goals, with -n, or if make cannot be extended, the run is an ordinary command.
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

$(MANIFESTS:%=run-%): run-%: %.cue programs-% build/setup/run
	$(call run_program,$*)

# Of names without a manifest.
run-%: ## boot manifests/NAME.cue; exits with the guest's exit status
	$(call no_manifest,$*)
programs-%:
	$(call no_manifest,$*)

image: programs-$(NAME) ## pack the boot package of NAME=... into build/NAME.img
	build/tools/bin/capos image $(PROFILE_OPTION) $(call manifest,$(NAME)) -o build/$(NAME).img --force

iso: programs-$(NAME) build/setup/iso ## build a bootable build/NAME.iso (GRUB, BIOS and UEFI)
	build/tools/bin/capos iso $(PROFILE_OPTION) $(call manifest,$(NAME)) -o build/$(NAME).iso --force

bench: ## measure the shipped build, and print `name value unit` lines
	$(MAKE) measured PROFILE=shipped
	build/tools/bin/capos bench --profile shipped

# What the measured manifests need.
MEASURED := wasi-hello-rust wasm-cached-hello $(filter bench%,$(MANIFESTS))
.PHONY: measured
measured: kernel host build/setup/run
	$(call build_for,$(MEASURED))

# --- Checking -----------------------------------------------------------------------------------------------

test: ## set up, build, check and boot everything; ends with `N passed, N failed`
	scripts/test.sh

ci: test ## the target of continuous integration

check: ## run all checks that need no boot: format, lints, repository rules, unit tests
	scripts/check.sh

# A filter that matches boots builds what those need; any other filter builds everything.
TESTED := $(if $(filter run-%,$(TESTS)),$(foreach name,$(MANIFESTS),$(if $(findstring $(TESTS),run-$(name)),$(name))))
e2e: $(if $(TESTED),tested,$(if $(TESTS),matching)) build/setup/run ## boot every manifest and compare output and exit status (TESTS=name for some)
	$(if $(TESTED),,$(MAKE) build build/setup/iso build/setup/uefi)
	scripts/some-tests.sh '$(TESTS)' $(call cargo,test,--no-fail-fast -p capos-tests -- $(TESTS))

# A filter that matches no test is an error before anything is built for it.
.PHONY: matching
matching:
	tests=$$($(call cargo,test,-p capos-tests -- --list)); \
	grep -qF -- '$(TESTS)' <<<"$$tests" || { echo "error: no test matches '$(TESTS)'" >&2; exit 1; }

# Builds what the selected boots need, in one go.
.PHONY: tested
tested: kernel host
	$(call build_for,$(TESTED))

unit: ## run the tests of one crate: P=package, and optionally T=part of a test's name
	$(if $(P),,echo "make unit: which package? P=capos-wasm, say; T=part-of-a-name for some of its tests" >&2; exit 1)
	scripts/some-tests.sh '$(T)' $(call cargo,test,-p $(P) -- $(T))

# Boots that take minutes, apart from `make e2e`.
test-spec: programs-spec-compiler programs-spec-interpreter build/setup/run ## run the core specification's test suite inside capOS, compiled and interpreted
	scripts/some-tests.sh spec- $(call cargo,test,--no-fail-fast -p capos-tests -- spec-)

test-programs: build build/setup/c build/setup/run ## run third-party programs: MicroPython, Ruby, SQLite (fetched; skipped if unavailable)
	env -u MAKEFLAGS -u MFLAGS scripts/programs.sh </dev/null
	scripts/some-tests.sh '$(TESTS)' $(call cargo,test,--no-fail-fast -p capos-tests --test programs -- $(TESTS))

# More than building and running the unit tests takes on two processors.
UNIT_SECONDS := 2400

.PHONY: check-fmt check-repo check-unit check-engines check-lint-host check-lint-kernel check-lint-userspace check-lint-guests check-doc
check-fmt: ## check the formatting
	$(RUST_BIN)/cargo-fmt fmt --all --check </dev/null

check-repo: ## check repository rules and the names in documents
	$(call cargo,test,-p capos-repo)

check-unit: ## run unit tests on the host
	# A hanging test must not block everything after it.
	timeout $(UNIT_SECONDS) $(call cargo,test,--no-fail-fast $(ENGINES))

check-engines: ## run the tests of the WebAssembly host on its second engine, with compiled code and with portable code
	CAPOS_WASM_ENGINE=wasmtime timeout $(UNIT_SECONDS) $(call cargo,test,--no-fail-fast $(ENGINES) --test wasi)
	CAPOS_WASM_ENGINE=compiled timeout $(UNIT_SECONDS) $(call cargo,test,--no-fail-fast $(ENGINES) --test wasi)

check-lint-host: ## run clippy on host code
	$(call clippy,--all-targets $(ENGINES))
	$(call clippy,--all-targets -p capos-tests -p capos-repo)

check-lint-kernel: ## run clippy on the kernel
	$(call clippy,$(KERNEL_FLAGS))

check-lint-userspace: ## run clippy on native programs
	$(call clippy,$(USER_FLAGS))
	$(call clippy,$(COMPILED_FLAGS))
	$(call clippy,$(COMPILER_FLAGS))

check-lint-guests: ## run clippy on the WebAssembly programs
	$(call clippy,$(GUEST_FLAGS))

new-service: ## generate a native service NAME: crate, interface, server, client, manifest and expected output
	scripts/new-service.sh "$(if $(filter-out file,$(origin NAME)),$$NAME)"

# Includes links of private items.
check-doc: ## check the links in the libraries' doc comments
	RUSTDOCFLAGS='-D rustdoc::broken_intra_doc_links' $(call cargo,doc,--no-deps --document-private-items $(ENGINES))

fmt: ## format the source
	$(RUST_BIN)/cargo-fmt fmt --all

clean: ## remove everything built, tools included
	rm -rf build target
