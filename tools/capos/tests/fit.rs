//! Modules that a host would refuse are reported when a manifest is checked, with the field at fault.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use capos_host::image;
use capos_host::inspect::{Form, refusal, type_of};
use capos_host::project::Project;
use capos_host::qemu::ConsoleLine;
use capos_wasm::Limits;
use capos_wasm::preview1::{FUNCTIONS, Snapshot};

/// The error for an instance of `module` with these other fields, one per line.
fn complaint(module: &[u8], fields: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.wasm"), module).unwrap();
    let manifest = folder.path().join("bad.cue");
    let text = format!(
        "package capos\nname: \"bad\"\nwasm: [{{instances: [{{\nname: \"i\"\nmodule: file: \"m.wasm\"\n{fields}\n}}]}}]\n"
    );
    fs::write(&manifest, text).unwrap();
    let project = Project::find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")), None).unwrap();
    let found = match image::check(&project, &manifest, ConsoleLine::Serial) {
        Ok(_) => String::new(),
        Err(error) => error.to_string().replace(&folder.path().display().to_string(), ""),
    };
    // Skip complaints about native programs that have not been built.
    let lines = found.lines().filter(|line| !line.contains("`make build` builds"));
    lines.collect::<Vec<_>>().join("\n")
}

fn of_text(text: &str, fields: &str) -> String {
    complaint(&wat::parse_str(text).unwrap(), fields)
}

#[track_caller]
fn one(found: &str, place: &str, wanted: &str) {
    let lines: Vec<_> = found.lines().collect();
    assert!(
        matches!(lines.as_slice(), [line] if line.starts_with(&format!("/bad.cue:{place}: ")) && line.contains(wanted)),
        "wanted {place} {wanted}, found\n{found}"
    );
}

const START: &str = r#"(func (export "_start"))"#;

#[test]
fn what_starts_is_not_complained_about() {
    for text in [
        "(module)",
        r#"(module (func $f) (start $f))"#,
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (func (export "_start")))"#,
        r#"(module (import "wasi_unstable" "proc_exit" (func (param i32))) (func (export "_start")))"#,
        r#"(module (import "env" "memory" (memory 1 2 shared)) (func (export "_start") (drop (i32.atomic.load (i32.const 0)))))"#,
        r#"(module (tag $t) (func (export "_start") (throw $t)))"#,
    ] {
        assert_eq!(of_text(text, ""), "", "{text}");
    }
    let odd = format!(r#"(module (import "env" "odd" (func)) {START})"#);
    assert_eq!(of_text(&odd, "unknownImports: \"trap\""), "");
    let add = r#"(module (func (export "add") (param i32 i64) (result i32) (i32.const 0)))"#;
    assert_eq!(of_text(add, "invoke: \"add\"\nargs: [\"1\", \"-0x7\"]"), "");
}

#[test]
fn files_that_are_no_valid_modules() {
    one(&complaint(b"hello, hello", ""), "5:9", "/m.wasm: not a WebAssembly module");
    let module = wat::parse_str(format!("(module (memory 1) {START})")).unwrap();
    one(
        &complaint(&module[..module.len() - 3], ""),
        "5:9",
        "/m.wasm: not a valid module: the file is cut off at byte ",
    );
    one(
        &of_text(r#"(module (type (struct)) (func (export "_start")))"#, ""),
        "5:9",
        "/m.wasm: it uses garbage collection, not supported by this engine (wasmi)",
    );
}

#[test]
fn imports_that_nothing_provides() {
    let import = |import: &str| format!("(module {import} {START})");
    let found = of_text(&import(r#"(import "env" "odd" (func)) (import "env" "even" (func))"#), "");
    one(
        &found,
        "5:9",
        "unknown imports \"odd\", \"even\" of \"env\"; if it never calls them: `unknownImports: \"trap\"` lets",
    );
    let found = of_text(&import(r#"(import "wasi_snapshot_preview1" "fd_wirte" (func))"#), "");
    one(
        &found,
        "5:9",
        "unknown import \"fd_wirte\" of \"wasi_snapshot_preview1\"; did you mean \"fd_write\"?",
    );
    for (kind, ty) in [("memory", "memory 1"), ("global", "global i32"), ("table", "table 1 funcref")] {
        let found = of_text(&import(&format!(r#"(import "env" "it" ({ty}))"#)), "unknownImports: \"trap\"");
        one(&found, "5:9", &format!("it imports the {kind} \"it\" of \"env\"; only functions"));
    }
    let found = of_text(&import(r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i64)))"#), "");
    one(
        &found,
        "5:9",
        "it imports \"fd_close\" of \"wasi_snapshot_preview1\" with the type (i64), but that function has the type (i32) -> (i32)",
    );
    // Functions that trap would help nothing here.
    let both = r#"(import "env" "f" (func)) (import "wasi_snapshot_preview1" "fd_close" (func (param i64)))"#;
    let found = of_text(&import(both), "");
    assert!(found.contains("unknown import \"f\"") && found.contains("with the type (i64), but"), "{found}");
    assert!(!found.contains("unknownImports"), "{found}");
    let library = r#"(module (import "env" "f" (func)) (func (export "add")))"#;
    let found = of_text(library, "");
    assert!(found.contains("unknown import \"f\"") && !found.contains("unknownImports"), "{found}");
    let many: String = (0..20).map(|number| format!(r#"(import "env" "f{number}" (func))"#)).collect();
    assert!(of_text(&import(&many), "").contains("\"f5\" and 14 more of \"env\"; if it"));
}

/// Each unknown import module has a specific reason, and advice on how to build without it.
#[test]
fn unknown_imports_are_told_by_their_family() {
    let import = |(module, name): &(&str, &str)| format!(r#"(import "{module}" "{name}" (func))"#);
    let said = |imports: &[(&str, &str)]| {
        of_text(&format!("(module {} {START})", imports.iter().map(import).collect::<String>()), "")
    };
    let found = said(&[
        ("wasi_nn", "load"),
        ("wasmedge_process", "run"),
        ("wasi_nn", "compute"),
        ("wasi_snapshot_preview1", "teleport_thing"),
    ]);
    let wanted = r#"unknown imports "load", "compute" of "wasi_nn" (machine learning (wasi-nn), which is not supported); "run" of "wasmedge_process" (WasmEdge's own: "#;
    assert!(
        found.contains(wanted) && found.contains("of \"wasi_snapshot_preview1\" (not a function"),
        "{found}"
    );
    assert!(found.contains("`unknownImports: \"trap\"`"), "{found}");
    for (module, name, wanted) in [
        ("wasi_ephemeral_crypto_common", "options_open", "a proposed WASI interface"),
        ("wasi_snapshot_preview1", "sock_open", "no network yet"),
        ("wasix_32v1", "fd_dup", "WASIX"),
        ("wasi:cli/environment@0.2.0", "get-environment", "wasm32-wasip1"),
        ("env", "emscripten_resize_heap", "-sSTANDALONE_WASM"),
        ("wbg", "__wbg_log_1", "without wasm-bindgen"),
        ("./x_bg.js", "__wbindgen_throw", "without wasm-bindgen"),
        ("gojs", "runtime.wasmExit", "GOOS=wasip1"),
        ("env", "abort", "wasi-shim"),
    ] {
        let found = said(&[(module, name)]);
        one(&found, "5:9", wanted);
    }
    assert!(!said(&[("env", "log")]).contains('('));
}

#[test]
fn calls_that_cannot_be_made() {
    let add = r#"(module (func (export "add") (param i32 i64) (result i32) (i32.const 0)))"#;
    one(&of_text(add, ""), "5:9", "no function _start; `invoke` calls another function; there are: add");
    let found = of_text(add, "invoke: \"ad\"");
    one(&found, "6:9", "\"ad\": the program exports no function of that name; did you mean \"add\"?");
    let found = of_text(add, "args: [\"1\"]\ninvoke: \"add\"");
    one(&found, "7:9", "\"add\": it takes 2 arguments (i32, i64) -> (i32), and 1 was given");
    let found = of_text(add, "invoke: \"add\"\nargs: [\"1\",\n\"x\"]");
    one(&found, "8:1", "args.1: \"x\" is no i64: an integer");
    let start = r#"(module (func (export "_start") (param i32)))"#;
    one(&of_text(start, ""), "5:9", "_start must not have parameters or results");
    assert!(of_text(r#"(module (memory (export "memory") 1))"#, "").ends_with("exports no function _start"));
}

#[test]
fn limits_that_are_too_low() {
    let large = format!("(module (memory 3) (table 9 funcref) {START})");
    one(
        &of_text(&large, "limits: memory: \"64KiB\""),
        "6:17",
        "it needs 192KiB of memory and its limit is 64KiB; `limits: memory: \"1MiB\"` allows that",
    );
    let found = of_text(&large, "limits: tableElements: 8");
    one(
        &found,
        "6:24",
        "it needs 9 table elements and its limit is 8; `limits: tableElements: 9` allows that",
    );
    let huge = format!("(module (memory 1025) (table 65537 funcref) {START})");
    assert_eq!(of_text(&huge, "").lines().count(), 2);
}

/// An unreadable field and the module are separate problems.
#[test]
fn what_depends_on_a_broken_field_is_not_said() {
    let add = r#"(module (import "env" "odd" (func)) (memory 3) (func (export "add") (param i32)))"#;
    let found =
        of_text(add, "invoke: \"add\"\nargs: [7]\nlimits: {memory: \"64KB!\"}\nunknownImports: \"tarp\"");
    assert_eq!(found.lines().count(), 3, "{found}");
    let found = of_text(add, "invoke: \"sub\"\nlimits: {memory: \"64KB!\"}");
    for wanted in ["limits.memory: ", "\"sub\": the program exports", "unknown import \"odd\""] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
}

#[test]
fn functions_and_limits_are_those_of_the_host() {
    let text = |letters: &str| letters.replace("i32", "i").replace("i64", "I");
    for snapshot in [Snapshot::Zero, Snapshot::One] {
        for known in FUNCTIONS {
            let ours = type_of(snapshot.module(), known.name).map(|ty| {
                let list = |types: &[wasmparser_263::ValType]| {
                    types.iter().map(|ty| text(&ty.to_string())).collect::<String>()
                };
                (list(ty.params()), list(ty.results()))
            });
            let theirs = snapshot.function(known.name).map(|function| {
                let list = |types: &[capos_wasm::ValueType]| {
                    types.iter().map(|ty| text(&ty.to_string())).collect::<String>()
                };
                (list(function.params), list(function.results))
            });
            assert_eq!(ours, theirs, "{}", known.name);
        }
    }
    assert_eq!(capos_host::inspect::fit::DEFAULT_MEMORY_BYTES, Limits::default().memory_bytes);
    assert_eq!(capos_host::inspect::fit::DEFAULT_TABLE_ELEMENTS, Limits::default().table_elements);
}

/// A large module is validated by several threads, and its first error is reported.
#[test]
fn large_modules_are_validated_as_a_whole() {
    let good =
        "(func (result i64) (i64.add (i64.const 123456789012345) (i64.const 123456789012345)))".repeat(4_000);
    let module = |bad: &str, at: &str| wat::parse_str(format!("(module {good} {bad} {good} {at})")).unwrap();
    assert_eq!(refusal(&module("", ""), Form::Rewritten), None);
    let bad = "(func (result i32) (i64.const 1))";
    let found = refusal(&module(bad, ""), Form::Rewritten).unwrap();
    assert!(found.starts_with("not a valid module: type mismatch"), "{found}");
    let other = "(func (result f32) (f64.const 1))";
    let found = refusal(&module(bad, other), Form::Rewritten).unwrap();
    assert!(found.contains("expected i32, found i64"), "{found}");
}

/// Modules of any proposals, intact and damaged, are refused here if and only if the engine would refuse
/// them.
#[test]
fn what_is_refused_is_what_the_engine_refuses() {
    let mut settings = wasmi::Config::default();
    settings.wasm_wide_arithmetic(true);
    let engine = wasmi::Engine::new(&settings);
    let mut random = fastrand::Rng::with_seed(5);
    let (mut runs, mut refused) = (0, 0);
    for round in 0..600 {
        let seed: Vec<u8> = (0..2048).map(|_| random.u8(..)).collect();
        let rarely = |random: &mut fastrand::Rng| random.u8(..8) == 0;
        let config = wasm_smith::Config {
            exceptions_enabled: rarely(&mut random),
            threads_enabled: rarely(&mut random),
            gc_enabled: rarely(&mut random),
            memory64_enabled: rarely(&mut random),
            custom_page_sizes_enabled: rarely(&mut random),
            wide_arithmetic_enabled: random.bool(),
            simd_enabled: random.bool(),
            relaxed_simd_enabled: random.bool(),
            tail_call_enabled: random.bool(),
            extended_const_enabled: random.bool(),
            reference_types_enabled: true,
            bulk_memory_enabled: true,
            multi_value_enabled: random.bool(),
            max_memories: 3,
            min_funcs: 1,
            ..wasm_smith::Config::default()
        };
        let Ok(module) = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(&seed)) else {
            continue;
        };
        let mut bytes = module.to_bytes();
        if random.u8(..4) == 0 {
            let at = random.usize(8..bytes.len());
            match random.bool() {
                true => bytes.truncate(at),
                false => bytes[at] = random.u8(..),
            }
        }
        let (ours, theirs) = (refusal(&bytes, Form::Rewritten), wasmi::Module::new(&engine, &bytes).err());
        assert_eq!(ours.is_some(), theirs.is_some(), "round {round}: {ours:?}, {theirs:?}");
        *(if ours.is_some() { &mut refused } else { &mut runs }) += 1;
    }
    assert!(runs > 100 && refused > 100, "{runs} run, {refused} refused");
}

/// Modules at the engine's bounds run, and modules beyond them are refused with the same message here and there.
#[test]
fn what_is_beyond_a_bound_is_refused_as_by_the_engine() {
    let engine = wasmi::Engine::default();
    let expression =
        |adds: usize| format!("(global i32 i32.const 1 {})", "i32.const 1 i32.add ".repeat(adds));
    let table = |targets: usize, ty: &str, value: &str| {
        format!(
            "(func (block {ty} {value} (br_table {} 0 (i32.const 0))) {})",
            "0 ".repeat(targets),
            match ty {
                "" => "",
                _ => "drop",
            }
        )
    };
    let items = |adds: usize| {
        format!("(memory 1) (data (offset i32.const 1 {}) \"\")", "i32.const 1 i32.add ".repeat(adds))
    };
    let types = |count: usize| "(type (func))".repeat(count);
    let exports =
        |count: usize| (0..count).map(|name| format!("(export \"{name}\" (func $f))")).collect::<String>();
    let function = |body: &str| format!("(func {body})");
    for (item, refused) in [
        (expression(127), false),
        (expression(128), true),
        (items(127), false),
        (items(128), true),
        (types(100_000), false),
        (types(100_001), true),
        (format!("(func $f) {}", exports(100_000)), false),
        (format!("(func $f) {}", exports(100_001)), true),
        ("(global i32 (i32.const 0))".repeat(100_000), false),
        ("(global i32 (i32.const 0))".repeat(100_001), true),
        ("(import \"m\" \"f\" (func))".repeat(100_000), false),
        ("(import \"m\" \"f\" (func))".repeat(100_001), true),
        (format!("(func (export \"{}\"))", "x".repeat(4_000)), false),
        (format!("(func (export \"{}\"))", "x".repeat(4_001)), true),
        (format!("(import \"{}\" \"f\" (func))", "x".repeat(4_000)), false),
        (format!("(import \"m\" \"{}\" (func))", "x".repeat(4_001)), true),
        ("(table 1 funcref)".repeat(64), false),
        ("(table 1 funcref)".repeat(65), true),
        ("(memory 1)".repeat(16), false),
        ("(memory 1)".repeat(17), true),
        (function(&format!("(local {})", "i32 ".repeat(25_000))), false),
        (function(&format!("(local {})", "i32 ".repeat(25_001))), true),
        (function(&format!("(local {})", "v128 ".repeat(12_500))), false),
        (function(&format!("(local i32 {})", "v128 ".repeat(12_500))), true),
        (function(&format!("{} {}", "i32.const 0 ".repeat(2_000), "drop ".repeat(2_000))), false),
        (function(&format!("{} {}", "i32.const 0 ".repeat(2_001), "drop ".repeat(2_001))), true),
        (function(&format!("{} {}", "block ".repeat(49_999), "end ".repeat(49_999))), false),
        (function(&format!("{} {}", "block ".repeat(50_000), "end ".repeat(50_000))), true),
        (table(65_520, "", ""), false),
        (table(65_521, "", ""), true),
        (table(32_760, "(result i32)", "(i32.const 1)"), false),
        (table(32_761, "(result i32)", "(i32.const 1)"), true),
    ] {
        let module = wat::parse_str(format!("(module {item})")).unwrap();
        let ours = refusal(&module, Form::Rewritten);
        let theirs = wasmi::Module::new(&engine, &module).err().map(|error| error.to_string());
        assert_eq!((ours.is_some(), theirs.is_some()), (refused, refused), "{ours:?}, {theirs:?}");
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let said = theirs.split(" (at").next().unwrap();
            assert!(ours.contains(said), "{ours}; {theirs}");
        }
    }
}
