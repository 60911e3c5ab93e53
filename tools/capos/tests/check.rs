//! `capos check` on whole files: CUE, our own checks and the programs together, as a user sees them.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use capos_host::image;
use capos_host::project::Project;

fn project() -> Project {
    Project::find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")), None).unwrap()
}

/// What is said about a manifest with this text, `bad.cue` standing for its path.
fn complaint(text: &str, files: &[(&str, &[u8])]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let manifest = folder.path().join("bad.cue");
    fs::write(&manifest, format!("package capos\n\nname: \"bad\"\n{text}\n")).unwrap();
    let error = image::check(&project(), &manifest).unwrap_err().to_string();
    error.replace(&folder.path().display().to_string(), "")
}

#[test]
fn each_problem_is_one_line() {
    let text = "processes: [{
    name: \"a\"
    grants: {consle: true, timer: \"x\"}
    limits: memory: \"64MB\"
}, {name: \"b\", bogus: 1}]";
    let found = complaint(text, &[]);
    let wanted = [
        "/bad.cue: processes.0.grants.consle: unknown field; known here: console, log,",
        "/bad.cue: processes.0.grants.timer: wanted true or false, found a string",
        "/bad.cue: processes.0.limits.memory: \"64MB\" has no known unit;",
        "/bad.cue: processes.1.bogus: unknown field; known here: name, binary,",
    ];
    assert_eq!(found.lines().count(), wanted.len(), "{found}");
    for (line, wanted) in found.lines().zip(wanted) {
        assert!(line.starts_with(wanted), "wanted {wanted}, found {line}");
    }
}

#[test]
fn what_cue_finds_has_its_line() {
    for (text, wanted) in [
        ("processes: [", "/bad.cue: expected ']'"),
        ("processes: [{name: \"a\", args: [x]}]", "reference \"x\" not found (line 4:32)"),
        ("exitFrom: \"a\" & \"b\"", "/bad.cue: exitFrom: conflicting values \"b\" and \"a\" (line 4:"),
    ] {
        let found = complaint(text, &[]);
        assert!(found.contains(wanted), "wanted {wanted}, found {found}");
    }
}

#[test]
fn definitions_can_be_used_by_name() {
    let found = complaint("processes: [#Process & {name: \"a\", bogus: 1}]", &[]);
    assert!(found.starts_with("/bad.cue: processes.0.bogus: field not allowed (line 4:"), "{found}");
}

#[test]
fn missing_and_useless_programs() {
    let text = "processes: [{name: \"no-such-program\"}, {name: \"b\", binary: file: \"text\"}]
wasm: [{instances: [
    {name: \"no-such-module\"},
    {name: \"c\", module: file: \"no.wasm\"},
    {name: \"d\", module: file: \"component.wasm\"},
    {name: \"e\", module: file: \"text\"},
]}]";
    let found = complaint(text, &[("text", b"text"), ("component.wasm", b"\0asm\x0d\0\x01\0")]);
    for wanted in [
        "/bad.cue: processes.0.binary: missing: target/x86_64-capos-hermit/release/no-such-program has not been built; `make build`",
        "/bad.cue: processes.1.binary: /text: not an ELF64 file",
        "/bad.cue: wasm.0.instances.0.module: missing: build/wasm/no-such-module.wasm has not been built; `make build`",
        "/bad.cue: wasm.0.instances.1.module: missing: there is no /no.wasm",
        "/bad.cue: wasm.0.instances.2.module: /component.wasm: a WebAssembly component",
        "/bad.cue: wasm.0.instances.3.module: the name \"text\" already means the program at processes.1.binary",
    ] {
        assert!(found.lines().any(|line| line.starts_with(wanted)), "{wanted} is not in\n{found}");
    }
}

#[test]
fn a_missing_manifest_is_named() {
    let error = image::check(&project(), Path::new("/no/such.cue")).unwrap_err().to_string();
    assert_eq!(error, "/no/such.cue: no such file");
}
