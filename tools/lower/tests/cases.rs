//! The modules in `cases`, rewritten and run by an engine without exceptions and atomic instructions. Each lists the
//! results of its exports: `;; run NAME ARGUMENT => TYPE:VALUE…`, or `trap REASON`.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use capos_lower::Kept;
use wasmi::{Engine, Error, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Val};

/// Enough linear memory for any case that frees its records.
const MEMORY_BYTES: usize = 256 << 10;

/// A call of an export of a case, and its result.
struct Run<'a> {
    name: &'a str,
    argument: i32,
    expected: &'a str,
}

fn runs(text: &str) -> Vec<Run<'_>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(";; run "));
    lines
        .map(|line| {
            let (call, expected) = line.split_once(" => ").unwrap();
            let (name, argument) = call.split_once(' ').unwrap();
            Run { name, argument: argument.parse().unwrap(), expected }
        })
        .collect()
}

fn shown(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32:{value}"),
        Val::I64(value) => format!("i64:{value}"),
        Val::F32(value) => format!("f32:{}", f32::from(*value)),
        Val::F64(value) => format!("f64:{}", f64::from(*value)),
        other => format!("{other:?}"),
    }
}

/// The engine's message, and the name of the trapping function, which gives the reason.
fn reason(error: &Error, names: &[String]) -> String {
    let text = error.to_string();
    names
        .iter()
        .filter(|name| name.starts_with(capos_lower::TRAP_PREFIX))
        .fold(text, |text, name| format!("{text}, {name}"))
}

fn start(engine: &Engine, module: &Module) -> (Store<StoreLimits>, Instance) {
    let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    let instance = Linker::new(engine).instantiate_and_start(&mut store, module).unwrap();
    (store, instance)
}

/// Runs the lines of a case in one instance, with a fresh one after a trap.
fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let lowered = capos_lower::lower(&wat::parse_str(&text).unwrap(), Kept::Nothing).unwrap().unwrap();
    let again = capos_lower::lower(&lowered, Kept::Nothing).unwrap();
    assert!(again.is_none(), "{}: still has what was to be rewritten", path.display());
    let engine = Engine::default();
    let module = Module::new(&engine, &lowered[..]).unwrap();
    let (mut store, mut instance) = start(&engine, &module);
    for run in runs(&text) {
        let function = instance.get_func(&store, run.name).unwrap();
        let count = function.ty(&store).results().len();
        let mut results = vec![Val::I32(0); count];
        let at = format!("{}: {} {}", path.display(), run.name, run.argument);
        match (function.call(&mut store, &[Val::I32(run.argument)], &mut results), run.expected) {
            (Ok(()), expected) => {
                assert_eq!(results.iter().map(shown).collect::<Vec<_>>().join(" "), expected, "{at}");
            }
            (Err(error), expected) => {
                let expected = expected.strip_prefix("trap ").unwrap_or_else(|| panic!("{at}: {error}"));
                let names = trap_names(&lowered);
                assert!(reason(&error, &names).contains(expected), "{at}: {error}");
                // The trap ended the instance, so later lines use a new one.
                (store, instance) = start(&engine, &module);
            }
        }
    }
}

/// The names of functions in a module.
fn trap_names(module: &[u8]) -> Vec<String> {
    use wasmparser_263::{KnownCustom, Name, Parser, Payload};
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload.unwrap() else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for subsection in names {
            if let Name::Function(map) = subsection.unwrap() {
                found.extend(map.into_iter().map(|naming| naming.unwrap().name.to_owned()));
            }
        }
    }
    found
}

#[test]
fn functions_that_are_added_have_names_that_say_so() {
    let text = r#"(module (tag $t (param i32)) (func $f (export "f") (throw $t (i32.const 1))))"#;
    let lowered = capos_lower::lower(&wat::parse_str(text).unwrap(), Kept::Nothing).unwrap().unwrap();
    let names = trap_names(&lowered);
    let [own, added @ ..] = &names[..] else { panic!("no names") };
    assert_eq!(own, "f");
    let is_told = |name: &String| {
        name.starts_with(capos_lower::HELPER_PREFIX) || name.starts_with(capos_lower::TRAP_PREFIX)
    };
    assert!(added.len() >= 3 && added.iter().all(is_told), "{added:?}");
    let entry = format!("{}{}f", capos_lower::HELPER_PREFIX, capos_lower::ENTRY_PREFIX);
    assert!(added.contains(&entry), "{added:?}");
}

#[test]
fn every_case_does_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 6, "{cases:?}");
    for case in cases {
        check(&case);
    }
}
