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

const HOST: [&str; 2] = ["capos-wasm/src/", "capos-wasm/process/"];
const ENGINES: [&str; 2] = ["wasmi", "wasmtime"];
/// The files that choose an engine.
const CHOOSE_ENGINES: [&str; 3] =
    ["capos-wasm/src/engine.rs", "capos-wasm/src/engine/choice.rs", "capos-wasm/src/engine/choice/"];

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
fn an_engine_is_named_only_in_its_folder_and_where_one_is_chosen() {
    for engine in ENGINES {
        let (first, rest) = engine.split_at(1);
        let name = format!("({first}|{}){rest}", first.to_uppercase());
        let code = format!(
            r#"\b{name}(_core)?(::|\b[^ ]*!)|\buse {name}|\b(mod|crate) {name}|EngineKind::{name}|"engine-{engine}""#
        );
        let own = [format!("capos-wasm/src/engine/{engine}.rs"), format!("capos-wasm/src/engine/{engine}/")];
        let may = |path: &str| {
            own.iter().any(|prefix| path.starts_with(prefix))
                || CHOOSE_ENGINES.iter().any(|prefix| path.starts_with(prefix))
        };
        let mut files: Vec<_> = HOST.into_iter().flat_map(below).collect();
        files.retain(|source| !may(&source.path));
        let rule = format!("{engine} outside its folder and the choice of an engine");
        none(&lines(&files, &Regex::new(&code).unwrap(), &rule));
    }
}
