//! The reports of `capos inspect` on modules and components.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wasmparser_263::WasmFeatures;

use capos_host::inspect::{
    Content, Form, Inspected, Module, State, check_call, grant_for, inspect, inspect_file, refusal,
};

fn inspected(text: &str) -> Inspected {
    inspect(&wat::parse_str(text).unwrap()).unwrap()
}

fn module(text: &str) -> Module {
    match inspected(text).content {
        Content::Module(module) => *module,
        Content::Component(_) => panic!("a component"),
    }
}

fn proposals(text: &str) -> Vec<&'static str> {
    module(text).proposals.iter().map(|proposal| proposal.name()).collect()
}

#[test]
fn imports_come_with_what_grants_them() {
    let text = inspected(
        r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
        (import "wasi_unstable" "proc_exit" (func (param i32)))
        (import "env" "odd" (func (param i64 f32)))
        (import "env" "state" (global (mut i32)))
        (memory (export "memory") 2 5)
        (func (export "_start")))"#,
    )
    .text("app.wasm");
    let line =
        |start: &str| text.lines().find(|line| line.contains(start)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("app.wasm:").contains("a program"), "{text}");
    assert!(
        line("random_get").contains("EntropySource") && line("random_get").contains("--entropy"),
        "{text}"
    );
    assert!(line("random_get").contains("(i32, i32) -> (i32)"), "{text}");
    assert!(line("proc_exit").contains("nothing"), "{text}");
    assert!(line("odd").contains("UNKNOWN") && line("odd").contains("--unknown-imports=trap"), "{text}");
    assert!(
        line("state").contains("mut i32") && line("state").contains("not provided by any host"),
        "{text}"
    );
    assert!(line("memory  ").contains("2 to 5 pages"), "{text}");
    assert!(line("mutable globals").contains("runs"), "{text}");
}

/// The documentation's table is tested against the host's.
#[test]
fn traps_replace_functions_and_nothing_else() {
    let odd = r#"(import "env" "odd" (func))"#;
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
    let shared = r#"(import "env" "memory" (memory 1 2 shared))"#;
    for (imports, only_functions) in [
        ("", true),
        (odd, true),
        (&format!("{odd} {exit}"), true),
        (&format!("{odd} {shared}"), true),
        (&format!("{odd} {shared} {shared}"), false),
        (&format!(r#"{odd} (import "env" "state" (global i32))"#), false),
        (&format!(r#"{odd} (import "env" "memory" (memory 1))"#), false),
        (&format!(r#"{odd} (import "env" "table" (table 1 funcref))"#), false),
        (&format!(r#"(import "env" "state" (global i32)) {exit}"#), false),
    ] {
        let inspected = inspected(&format!("(module {imports})"));
        assert_eq!(inspected.lacks_only_functions(), only_functions, "{imports}");
    }
    assert!(!inspected("(component)").lacks_only_functions());
}

#[test]
fn what_functions_need_is_what_the_documents_say() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/wasi.md")).unwrap();
    let mut seen = 0;
    for line in table.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, name, needs, _, _, state, _] = cells[..] else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { continue };
        if !state.starts_with("done") {
            continue;
        }
        let grant = grant_for("wasi_snapshot_preview1", name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(grant.needs, needs, "{name}");
        assert_eq!(grant_for("wasi_unstable", name).is_some(), name != "sock_accept", "{name}");
        seen += 1;
    }
    assert_eq!(seen, 46);
    assert!(grant_for("env", "fd_read").is_none());
    assert!(grant_for("wasi_snapshot_preview1", "fd_open").is_none());
}

#[test]
fn proposals_are_found_in_code_and_types() {
    for (text, name) in [
        ("(module (func (param i64) (drop (i64.extend8_s (local.get 0)))))", "sign extension"),
        ("(module (func (result i32 i32) (i32.const 1) (i32.const 2)))", "multiple values"),
        ("(module (func (param v128)))", "SIMD"),
        ("(module (func (local externref)))", "reference types"),
        ("(module (func $f (return_call $f)))", "tail calls"),
        ("(module (memory i64 1))", "64-bit memories"),
        ("(module (memory 1) (memory 1))", "multiple memories"),
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))", "threads"),
        ("(module (tag))", "exceptions"),
        ("(module (func try end))", "exceptions, older form"),
        ("(module (type (struct)))", "garbage collection"),
        ("(module (func (param (ref func))))", "function references"),
        ("(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))", "bulk memory"),
        ("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))", "extended constants"),
    ] {
        assert!(proposals(text).contains(&name), "{text}: {:?}", proposals(text));
    }
    assert!(
        proposals("(module (memory 1) (func (param i32) (result i32) (i32.load (local.get 0))))").is_empty()
    );
}

#[test]
fn each_proposal_says_whether_it_runs() {
    let table = include_str!("../../../tests/files/proposals.txt");
    let mut features = BTreeSet::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [feature, name, state, _, text] = line.splitn(5, " | ").collect::<Vec<_>>()[..] else {
            panic!("not five columns: {line}")
        };
        let state = match state {
            "runs" => State::Runs,
            "rewritten" => State::Rewritten,
            "compiled" => State::Compiled,
            "none" => State::Missing,
            other => panic!("no state: {other}"),
        };
        let found = module(text).proposals;
        let found = found
            .iter()
            .find(|proposal| proposal.name() == name)
            .unwrap_or_else(|| panic!("{text}: {name} is not among {found:?}"));
        assert_eq!(found.state(), state, "{text}");
        features.insert(feature.to_owned());
    }
    // Fragments of other modules, the first version, components; and parts that occur only with garbage
    // collection.
    let others =
        ["floats", "gc_types", "call_indirect_overlong", "bulk_memory_opt", "multibyte_array_access"];
    for (name, _) in WasmFeatures::all().iter_names() {
        let name = name.to_lowercase();
        let known = features.contains(&name)
            || others.contains(&name.as_str())
            || name == "component_model"
            || name.starts_with("cm");
        assert!(known, "{name} is not in the table");
    }
}

#[test]
fn sections_are_listed_by_size() {
    let inspected = inspected(
        r#"(module (@custom "notes" "0123456789") (memory 1) (func (export "f"))
            (data (i32.const 0) "a long enough piece of data to be the largest section by far"))"#,
    );
    assert_eq!(inspected.sections.known.first().unwrap().name, "data");
    assert!(inspected.sections.known.iter().any(|section| section.name == "code" && section.bytes > 0));
    let custom = inspected.sections.custom.first().unwrap();
    assert_eq!((custom.name.as_str(), custom.bytes), ("notes", 10));
}

#[test]
fn a_component_is_called_one() {
    let inspected = inspected(
        r#"(component (import "test:other/thing" (instance)) (core module $m (func (export "hidden")))
        (component $inner (import "also-hidden" (func))) (import "visible" (func $f)) (export "shown" (func $f)))"#,
    );
    let text = inspected.text("c.wasm");
    assert!(text.contains("component") && text.contains("cannot be run yet"), "{text}");
    assert!(
        text.contains("test:other/thing") && text.contains("visible") && text.contains("shown"),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");
    assert_eq!(inspected.json()["exports"], serde_json::json!(["shown"]));
}

#[test]
fn names_cannot_steer_a_terminal() {
    let text = inspected("(module (func (export \"a\\1b[2Jb\\0a\")))").text("x");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("[2Jb")).count(), 1);
}

#[test]
fn damaged_files_are_told_as_far_as_they_go() {
    let whole = wat::parse_str(
        r#"(module (import "env" "f" (func)) (tag) (memory (export "m") 1) (table 3 funcref) (func (export "g") (throw 0)))"#,
    )
    .unwrap();
    for end in 0..whole.len() {
        let cut = &whole[..end];
        match inspect(cut) {
            Ok(inspected) => {
                // Some prefixes are valid modules.
                let _ = (inspected.text("cut"), inspected.json());
            }
            Err(error) => assert!(end < 8, "{end}: {error}"),
        }
    }
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..5000 {
        let mut damaged = whole.clone();
        let at = random.usize(8..damaged.len());
        damaged[at] = random.u8(..);
        let inspected = inspect(&damaged).unwrap();
        let _ = (inspected.text("damaged"), inspected.json());
    }
    assert!(inspect(b"").is_err() && inspect(b"#!/bin/sh\n").is_err());
    let broken = inspect(&whole[..whole.len() - 1]).unwrap();
    assert!(broken.invalid.is_some() && broken.text("x").contains("Invalid"));
}

#[test]
fn a_cut_off_file_says_where_and_its_sizes_are_of_what_is_there() {
    let data = "x".repeat(1000);
    let text = format!(r#"(module (memory 1) (func (drop (i32.const 1))) (data (i32.const 0) "{data}"))"#);
    let whole = wat::parse_str(text).unwrap();
    let size = whole.len();
    let text = inspect(&whole[..size - 100]).unwrap().text("x");
    let reason = format!(
        "Invalid: the file is cut off at byte {}, within its data section, which ends at byte {size}.",
        size - 100
    );
    assert!(text.contains(&reason), "{text}");
    let refused = refusal(&whole[..size - 100], Form::Original).unwrap();
    assert!(refused.starts_with("not a valid module: the file is cut off at byte "), "{refused}");
    let functions = "(func (drop (i32.const 1)))".repeat(1000);
    let whole = wat::parse_str(format!("(module {functions})")).unwrap();
    let cut = inspect(&whole[..whole.len() / 2]).unwrap();
    let sections: u64 = cut.sections.known.iter().map(|section| section.bytes).sum();
    assert!(sections <= cut.bytes, "{sections} of {}", cut.bytes);
    assert!(cut.text("x").contains("within its code section"));
}

#[test]
fn json_has_what_the_text_has() {
    let json = inspected("(module (import \"env\" \"f\" (func (param i32))) (func (export \"g\")))").json();
    assert_eq!(json["kind"], "module");
    assert_eq!(json["imports"][0]["known"], false);
    assert_eq!(json["exports"][0]["type"], "()");
    assert_eq!(json["invalid"], serde_json::Value::Null);
    assert!(json["bytes"].as_u64().unwrap() > 8);
}

/// Text is accepted as by `capos run`, and errors in it have a file and line.
#[test]
fn text_is_assembled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.wat");
    fs::write(&file, r#"(module (func (export "_start")))"#).unwrap();
    assert!(inspect_file(&file).unwrap().text("app.wat").contains("a program (it exports _start)"));
    assert!(check_call(&file, "_start", &[]).is_ok());
    fs::write(&file, "(module\n  (fucn))").unwrap();
    for error in [inspect_file(&file).unwrap_err(), check_call(&file, "f", &[]).unwrap_err()] {
        let error = format!("{error:#}");
        assert_eq!(error, format!("{}:2:4: expected valid module field", file.display()));
    }
}
