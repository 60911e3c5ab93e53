//! Names in documents and in comments at the head of a file: the modules, items, files, options and interfaces
//! exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use capos_repo::{Source, members, read, read_toml, root, sources};
use regex::Regex;
use toml::Value;

use crate::documents::{code, is_ours, is_placeholder, pages, regex, spans};
use crate::none;

/// External crates, as they begin paths.
const STANDARD: [&str; 3] = ["std", "core", "alloc"];

/// Long options of other commands that documents mention.
const OTHER_OPTIONS: [&str; 2] = ["--locked", "--no-install-recommends"];

/// A crate of the workspace: its source folder, and the text of all its sources.
struct Crate {
    folder: String,
    text: String,
}

/// The workspace's crates, by their names in code.
fn crates() -> BTreeMap<String, Crate> {
    let files = sources(".rs").unwrap();
    let mut crates = BTreeMap::new();
    for member in members().unwrap() {
        let manifest = read_toml(&format!("{member}/Cargo.toml")).unwrap();
        let name = |table: &str| manifest.get(table)?.get("name").and_then(Value::as_str);
        let name = name("lib").or_else(|| name("package")).unwrap().replace('-', "_");
        let folder = format!("{member}/src/");
        let own = files.iter().filter(|file| file.path.starts_with(&folder));
        let text = own.map(|file| file.text.as_str()).collect::<Vec<_>>().join("\n");
        crates.insert(name, Crate { folder, text });
    }
    crates
}

/// The crate of a source file: the one with the longest folder that contains it.
fn crate_of<'a>(crates: &'a BTreeMap<String, Crate>, path: &str) -> Option<&'a Crate> {
    let holding = crates.values().filter(|found| path.starts_with(&found.folder));
    holding.max_by_key(|found| found.folder.len())
}

impl Crate {
    /// Whether the crate has this top-level module.
    fn has_module(&self, name: &str) -> bool {
        let folder = root().join(&self.folder);
        folder.join(format!("{name}.rs")).exists()
            || folder.join(name).is_dir()
            || regex(&format!(r"\bmod {name}\b")).is_match(&self.text)
    }

    /// Whether `path` refers to a module or an item. Modules are resolved by their files; items of a module may also come
    /// from elsewhere in the crate (`pub use`, macros, generated code).
    fn has(&self, path: &[&str]) -> bool {
        let Some((last, modules)) = path.split_last() else { return true };
        let mut folder = root().join(&self.folder);
        for (at, module) in modules.iter().enumerate() {
            let starts_type = module.starts_with(char::is_uppercase);
            if starts_type || !folder.join(module).is_dir() && !folder.join(format!("{module}.rs")).exists() {
                // A type, or an inline module: the rest must be declared somewhere in this crate.
                return modules.iter().skip(at).chain([last]).all(|name| self.declares(name));
            }
            folder.push(module);
        }
        folder.join(format!("{last}.rs")).exists() || folder.join(last).is_dir() || self.declares(last)
    }

    fn declares(&self, name: &str) -> bool {
        let name = regex::escape(name);
        let item = format!(
            r"\b(fn|struct|enum|trait|type|const|static|mod|union|macro_rules!|pub use .*) *{name}\b"
        );
        let variant = format!(r"(?m)^\s*{name}\b *[,({{=]|^\s*{name},?$");
        regex(&item).is_match(&self.text) || regex(&variant).is_match(&self.text)
    }
}

/// The paths in a span, such as `capos_rt::grant` in `capos_rt::grant("counter")?`.
fn rust_paths(span: &str) -> Vec<Vec<&str>> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| regex(r"\b[a-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)+"));
    PATH.find_iter(span).map(|found| found.as_str().split("::").collect()).collect()
}

/// The comments at the head of each Rust file, as a separate document.
fn heads() -> Vec<Source> {
    let mut heads = Vec::new();
    for source in sources(".rs").unwrap() {
        let text: Vec<_> =
            source.text.lines().map(|line| line.strip_prefix("//!").unwrap_or_default()).collect();
        heads.push(Source { path: source.path, text: text.join("\n") });
    }
    heads
}

#[test]
fn rust_paths_lead_somewhere() {
    let crates = crates();
    let mut problems = Vec::new();
    for document in pages().into_iter().chain(heads()) {
        let own = crate_of(&crates, &document.path);
        for (number, span) in spans(&document) {
            for path in rust_paths(&span) {
                let Some((first, rest)) = path.split_first() else { continue };
                let found = match (*first, own) {
                    (first, _) if STANDARD.contains(&first) => true,
                    ("crate", Some(own)) => own.has(rest),
                    (first, _) if crates.contains_key(first) => {
                        crates.get(first).is_some_and(|named| named.has(rest))
                    }
                    (first, Some(own)) if own.has_module(first) => own.has(&path),
                    // From another crate, or unknown to this rule.
                    _ => true,
                };
                if !found {
                    problems.push(format!("{}:{number}: `{}` leads nowhere", document.path, path.join("::")));
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn files_that_comments_name_exist() {
    let path = regex(r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]*$");
    let mut problems = Vec::new();
    for head in heads() {
        let folder = root().join(&head.path).parent().map(Path::to_path_buf).unwrap();
        let folders: Vec<_> = folder.ancestors().take_while(|above| above.starts_with(root())).collect();
        for (number, span) in spans(&head) {
            let checked = path.is_match(&span) && !is_placeholder(&span) && is_ours(&span);
            if checked && !folders.iter().any(|folder| folder.join(&span).exists()) {
                problems.push(format!("{}:{number}: `{span}` does not exist", head.path));
            }
        }
    }
    none(&problems);
}

/// The long options in the host command's sources.
fn options() -> BTreeSet<String> {
    let named = regex(r#"long(?: = "([a-z-]+)")?[^\n]*\)\]\s*(?:pub(?:\([a-z]+\))? )?(?:r#)?([a-z_0-9]+):"#);
    let mut options: BTreeSet<_> = OTHER_OPTIONS.map(str::to_owned).into();
    options.extend(["--help".to_owned(), "--version".to_owned()]);
    for source in sources(".rs")
        .unwrap()
        .iter()
        .filter(|source| ["tools/", "storage/cli/"].iter().any(|place| source.path.starts_with(place)))
    {
        for found in named.captures_iter(&source.text) {
            let name =
                found.get(1).map_or_else(|| found[2].replace('_', "-"), |name| name.as_str().to_owned());
            options.insert(format!("--{name}"));
        }
    }
    options
}

#[test]
fn options_that_documents_name_exist() {
    let options = options();
    assert!(options.contains("--timeout") && options.contains("--disk"), "{options:?}");
    let option = regex(r"(?:^|[\s(])(--[a-z][a-z0-9-]+)");
    let mut problems = Vec::new();
    for document in pages() {
        let lines = code(&document).into_iter().filter_map(|(number, line)| {
            let (_, arguments) = line.split_once("capos ")?;
            // Arguments after `--` belong to the program.
            Some((number, arguments.split(" -- ").next().unwrap_or_default().to_owned()))
        });
        let inline = spans(&document)
            .into_iter()
            .filter(|(_, span)| span.starts_with("--") || span.starts_with("capos "));
        for (number, text) in inline.chain(lines) {
            for found in option.captures_iter(&text).filter(|found| !options.contains(&found[1])) {
                problems.push(format!("{}:{number}: no command has the option {}", document.path, &found[1]));
            }
        }
    }
    none(&problems);
}

/// The subcommands of a command line enum, as typed.
fn subcommands(file: &str, name: &str) -> BTreeSet<String> {
    let text = read(file).unwrap();
    let body = text.split_once(&format!("enum {name} {{")).map(|(_, after)| after).unwrap();
    let body = body.split("\n}").next().unwrap_or_default();
    let variant = regex(r"(?m)^    ([A-Z][A-Za-z]*)");
    variant.captures_iter(body).map(|found| found[1].to_lowercase()).collect()
}

#[test]
fn commands_that_documents_name_exist() {
    let tasks = subcommands("tools/capos/src/cli.rs", "Task");
    let volume = subcommands("storage/cli/src/lib.rs", "VolumeCommand");
    assert!(tasks.contains("run") && volume.contains("export"), "{tasks:?} {volume:?}");
    let command = regex(r"\bcapos ([a-z]+)(?: ([a-z]+))?");
    let mut problems = Vec::new();
    for document in pages() {
        let inline = spans(&document).into_iter().filter(|(_, span)| span.starts_with("capos "));
        let lines = code(&document).into_iter().filter(|(_, line)| {
            let line = line.trim_start();
            line.starts_with("capos ") || line.starts_with("build/tools/bin/capos ")
        });
        for (number, text) in inline.chain(lines) {
            let Some(found) = command.captures(&text) else { continue };
            let second = found.get(2).map(|second| second.as_str());
            let known = tasks.contains(&found[1])
                && (&found[1] != "volume" || second.is_none_or(|second| volume.contains(second)));
            if !known {
                problems.push(format!("{}:{number}: `{}` is no command", document.path, &found[0]));
            }
        }
    }
    none(&problems);
}

/// Words of all code files, without comments.
fn words() -> BTreeSet<String> {
    let word = regex(r"[A-Za-z_][A-Za-z0-9_]*");
    let mut words = BTreeSet::new();
    for (ending, comment) in [
        (".rs", "//"),
        (".capnp", "#"),
        (".cue", "//"),
        (".sh", "#"),
        (".toml", "#"),
        (".c", "//"),
        (".wat", ";;"),
        (".go", "//"),
        (".ld", "//"),
    ] {
        for source in sources(ending).unwrap() {
            for line in source.text.lines() {
                let line = line.split(comment).next().unwrap_or_default();
                words.extend(word.find_iter(line).map(|found| found.as_str().to_owned()));
            }
        }
    }
    words.extend(word.find_iter(&read("Makefile").unwrap()).map(|found| found.as_str().to_owned()));
    words
}

/// Words in documents that refer to things outside this tree.
const OUTSIDE: [&str; 6] =
    ["desc_shadow", "PROCESS_CPUTIME_ID", "THREAD_CPUTIME_ID", "hvm_start_info", "BHI_DIS_S", "MD_CLEAR"];

#[test]
fn identifiers_in_documents_are_in_the_code() {
    let identifier =
        Regex::new(r"^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+$|^[A-Z][a-z0-9]+([A-Z][a-z0-9]+)+$").unwrap();
    let words = words();
    let mut problems = Vec::new();
    for document in pages().into_iter().chain(heads()) {
        for (number, span) in spans(&document) {
            let known =
                !identifier.is_match(&span) || words.contains(&span) || OUTSIDE.contains(&span.as_str());
            if !known {
                problems.push(format!("{}:{number}: `{span}` is nowhere in the code", document.path));
            }
        }
    }
    none(&problems);
}

/// The runtime's list of unsafe modules equals the set of modules that lift the lint.
#[test]
fn the_runtime_names_its_unsafe_modules() {
    let text = read("capos-rt/src/lib.rs").unwrap();
    let (_, list) = text.split_once("`unsafe` stands only in").unwrap();
    let list = list.split_once(".\n").unwrap().0;
    let named: BTreeSet<_> =
        regex(r"`([a-z_:]+)`").captures_iter(list).map(|found| found[1].to_owned()).collect();
    let lifting = regex(r"#!\[expect\(\s*unsafe_code");
    let lifted: BTreeSet<_> = sources(".rs")
        .unwrap()
        .into_iter()
        .filter(|source| source.path.starts_with("capos-rt/src/") && lifting.is_match(&source.text))
        .map(|source| {
            let module = source.path.trim_start_matches("capos-rt/src/").trim_end_matches(".rs");
            module.trim_end_matches("/mod").replace('/', "::")
        })
        .collect();
    assert_eq!(
        named, lifted,
        "capos-rt/src/lib.rs names other modules than those that lift the lint on unsafe code"
    );
}

#[test]
fn schemas_have_ids_of_their_own() {
    let id = regex(r"@0x[0-9a-fA-F]{16}");
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for schema in sources(".capnp").unwrap() {
        for (number, line) in (1..).zip(schema.text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            for found in id.find_iter(line) {
                let place = format!("{}:{number}", schema.path);
                if let Some(other) = seen.insert(found.as_str().to_lowercase(), place.clone()) {
                    problems.push(format!("{place}: has the id of {other}; each file needs one of its own"));
                }
            }
        }
    }
    none(&problems);
}
