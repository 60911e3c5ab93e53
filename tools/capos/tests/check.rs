//! `capos check` on whole files: CUE, our own checks and the programs together, as a user sees them.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use capos_host::image;
use capos_host::project::Project;
use capos_host::qemu::ConsoleLine;

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
    let error = image::check(&project(), &manifest, ConsoleLine::Serial).unwrap_err().to_string();
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
        "/bad.cue:6:22: processes.0.grants.consle: unknown field; known here: console, log,",
        "/bad.cue:6:35: processes.0.grants.timer: wanted true or false, found a string",
        "/bad.cue:7:21: processes.0.limits.memory: \"64MB\" has no known unit;",
        "/bad.cue:8:23: processes.1.bogus: unknown field; known here: name, binary,",
    ];
    assert_eq!(found.lines().count(), wanted.len(), "{found}");
    for (line, wanted) in found.lines().zip(wanted) {
        assert!(line.starts_with(wanted), "wanted {wanted}, found {line}");
    }
}

#[test]
fn what_cue_finds_has_its_line() {
    for (text, wanted) in [
        ("processes: [", "/bad.cue:4:14: expected ']'"),
        ("processes: [{name: \"a\", args: [x]}]", "/bad.cue:4:32: "),
        ("processes: [{name: \"a\", args: [x]}]", "reference \"x\" not found"),
        ("exitFrom: \"a\" & \"b\"", "/bad.cue:4:11: exitFrom: conflicting values \"b\" and \"a\""),
    ] {
        let found = complaint(text, &[]);
        assert!(found.contains(wanted), "wanted {wanted}, found {found}");
    }
}

#[test]
fn definitions_can_be_used_by_name() {
    let found = complaint("processes: [#Process & {name: \"a\", bogus: 1}]", &[]);
    assert!(found.starts_with("/bad.cue:4:36: processes.0.bogus: field not allowed"), "{found}");
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
        "/bad.cue:4:13: processes.0.binary: missing: target/x86_64-capos-hermit/release/no-such-program has not been built; `make build`",
        "/bad.cue:4:60: processes.1.binary: /text: not an ELF64 file",
        "/bad.cue:6:5: wasm.0.instances.0.module: missing: build/wasm/no-such-module.wasm has not been built; `make build`",
        "/bad.cue:7:25: wasm.0.instances.1.module: missing: there is no /no.wasm",
        "/bad.cue:8:25: wasm.0.instances.2.module: /component.wasm: a WebAssembly component",
        "/bad.cue:9:25: wasm.0.instances.3.module: the name \"text\" already means the program at processes.1.binary",
    ] {
        assert!(found.lines().any(|line| line.starts_with(wanted)), "{wanted} is not in\n{found}");
    }
}

#[test]
fn names_that_lead_nowhere_come_with_candidates() {
    let text = "volumes: scratch: ram: \"4MiB\"
processes: [{name: \"keys\", binary: file: \"x\", exports: [\"vault\"]}, {name: \"b\", binary: file: \"x\", grants: {
    services: {a: {process: \"kees\", export: \"vault\"}, b: {process: \"keys\", export: \"valut\"}}
    namespaces: home: {volume: \"scrach\", rights: \"r\"}
}}]
wasm: [{instances: [{name: \"upper\", module: file: \"m.wasm\"}]}]
exitFrom: \"upper\"";
    let found = complaint(text, &[("m.wasm", b"\0asm\x01\0\0\0")]);
    for wanted in [
        "/bad.cue:6:19: processes.1.grants.services.a: no process is called \"kees\"; did you mean \"keys\"?",
        "process \"keys\" does not export \"valut\"; did you mean \"vault\"?",
        "/bad.cue:7:32: processes.1.grants.namespaces.home.volume: no volume is called \"scrach\"; did you mean \"scratch\"?",
        "/bad.cue:10:11: exitFrom: no process or instance is called \"upper\"; did you mean \"wasm/upper\"?",
    ] {
        assert!(found.lines().any(|line| line.contains(wanted)), "{wanted} is not in\n{found}");
    }
}

#[test]
fn a_manifest_has_its_package_clause() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.cue");
    for (text, wanted) in [
        ("// Mine.\nname: \"m\"\n", "m.cue:2:1: no package clause"),
        ("package mine\nname: \"m\"\n", "m.cue:1:1: the package is \"mine\""),
    ] {
        fs::write(&manifest, text).unwrap();
        let error = image::check(&project(), &manifest, ConsoleLine::Serial).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn checking_finds_disk_images_that_a_run_would_miss() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.cue");
    let text = "package capos\nname: \"m\"\nvolumes: {a: disk: \"no.img\", b: {disk: \"new.img\", size: \"4MiB\"}}\n";
    fs::write(&manifest, text).unwrap();
    let error = image::check_to_run(&project(), &manifest).unwrap_err().to_string();
    let found: Vec<_> = error.lines().filter(|line| line.contains("volumes.")).collect();
    assert!(
        matches!(found.as_slice(), [one] if one.contains("m.cue:3:20: volumes.a.disk: there is no ")),
        "{error}"
    );
}

#[test]
fn a_missing_manifest_is_named() {
    let error =
        image::check(&project(), Path::new("/no/such.cue"), ConsoleLine::Serial).unwrap_err().to_string();
    assert_eq!(error, "/no/such.cue: no such file");
}
