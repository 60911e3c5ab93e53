//! Layers, and which may name which: those of the WebAssembly host, and the supervisor, which names no service.

use capos_repo::{Source, sources};
use regex::Regex;

use crate::none;

/// Each folder, and the names that its code must not use: the layers above it, and those beside it.
const FORBIDDEN: [(&str, &str); 4] = [
    ("resources", "account|engine|preview1|instance|server|host|cache"),
    ("account", "engine|preview1|instance|server|host|cache"),
    ("engine", "preview1|instance|server|host|cache"),
    ("preview1", "instance|server|host|cache"),
];

/// Words that `resources` must not use: those of WebAssembly and of WASI versions.
const NOT_OF_RESOURCES: &str =
    r"\b[Ww]asm\b|[Pp]review ?1|\bfd_|fdflags|\brights\b|GuestMemory|\bEBADF|\bENO[A-Z]+";

fn of(folder: &str) -> Vec<Source> {
    let mut files = below(&format!("capos-wasm/src/{folder}/"));
    files.extend(below(&format!("capos-wasm/src/{folder}.rs")));
    files
}

fn below(prefix: &str) -> Vec<Source> {
    let found: Vec<_> =
        sources(".rs").unwrap().into_iter().filter(|source| source.path.starts_with(prefix)).collect();
    assert!(!found.is_empty(), "no files in {prefix}");
    found
}

/// The lines of these files that match a pattern.
fn lines(files: &[Source], pattern: &Regex, rule: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for source in files {
        for (number, line) in (1..).zip(source.text.lines()) {
            if pattern.is_match(line) {
                problems.push(format!("{}:{number}: {rule}: {}", source.path, line.trim()));
            }
        }
    }
    problems
}

#[test]
fn layers_name_only_what_is_below_them() {
    for (folder, above) in FORBIDDEN {
        // In a list after `use crate::{`, each line begins with a module.
        let pattern = format!(r"\bcrate::(\{{ ?)?({above})\b|^    ({above})::");
        let rule = format!("{folder}/ is below that");
        none(&lines(&of(folder), &Regex::new(&pattern).unwrap(), &rule));
    }
}

#[test]
fn the_supervisor_names_no_service() {
    let service = r"capos_schema::names|\b(file|block|entropy|wasm)_capnp|[Vv]irtio|\b[Vv]olume|\b[Dd]isk";
    none(&lines(&below("services/init/src/"), &Regex::new(service).unwrap(), "a service in the supervisor"));
}

#[test]
fn resources_are_told_in_no_surface_s_words() {
    let tests_and_comments = Regex::new(r"^\s*//").unwrap();
    let mut files = of("resources");
    for source in &mut files {
        source.text = source
            .text
            .lines()
            .map(|line| if tests_and_comments.is_match(line) { "" } else { line })
            .collect::<Vec<_>>()
            .join("\n");
    }
    none(&lines(&files, &Regex::new(NOT_OF_RESOURCES).unwrap(), "a surface's word"));
}

#[test]
fn engines_are_named_in_one_folder() {
    let engine =
        Regex::new(r"\b(wasmi|wasmtime|Wasmi|Wasmtime)(_core)?(::|\b[^ ]*!)|\buse wasm(i|time)").unwrap();
    let files: Vec<_> = sources(".rs")
        .unwrap()
        .into_iter()
        .filter(|source| {
            let in_host =
                source.path.starts_with("capos-wasm/src/") || source.path.starts_with("capos-wasm/process/");
            in_host && !source.path.starts_with("capos-wasm/src/engine/")
        })
        .collect();
    none(&lines(&files, &engine, "an engine's name outside capos-wasm/src/engine/"));
}
