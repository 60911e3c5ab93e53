//! Files import each other in one direction: no file reaches itself along imports, with the exceptions that
//! `docs/architecture.md` explains.

use std::collections::{BTreeMap, BTreeSet};

use capos_repo::{Source, sources};
use regex::Regex;

use crate::none;

/// Crates with circles, each of which `docs/architecture.md` explains.
const EXPLAINED: [&str; 2] = ["capos-rt/src/", "kernel/src/"];

/// The source folder of each crate.
fn crates(sources: &[Source]) -> BTreeSet<String> {
    let root = |source: &Source| {
        let folder = source.path.strip_suffix("lib.rs").or_else(|| source.path.strip_suffix("main.rs"))?;
        folder.ends_with("/src/").then(|| folder.to_owned())
    };
    sources.iter().filter_map(root).collect()
}

/// A module's path from the crate's root.
type Module = Vec<String>;

struct Import {
    path: Vec<String>,
    /// The name by which it is imported.
    name: String,
    is_public: bool,
}

/// The modules of a crate that are files, with their imports.
type Files = BTreeMap<Module, Vec<Import>>;

fn files(sources: &[Source], folder: &str) -> Files {
    let mut files = Files::new();
    for source in sources {
        let Some(path) = source.path.strip_prefix(folder).and_then(|path| path.strip_suffix(".rs")) else {
            continue;
        };
        let mut module: Module = path.split('/').map(str::to_owned).collect();
        module.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
        if module.last().is_none_or(|last| last != "tests") {
            files.insert(module, imports(&source.text));
        }
    }
    files
}

/// The paths in a file's `use` declarations and code, without its comments and tests.
fn imports(text: &str) -> Vec<Import> {
    let comment = Regex::new("//[^\n]*").unwrap();
    let declaration = Regex::new(r"(pub(?:\([^)]*\))? )?\buse ([^;]+);").unwrap();
    let path = Regex::new(r"(?:^|[^\w:$])((?:crate|super)(?:::\w+)+)").unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = comment.replace_all(code, "");
    let mut found = Vec::new();
    for captures in declaration.captures_iter(&code) {
        add(&captures[2], &[], captures.get(1).is_some(), &mut found);
    }
    let rest = declaration.replace_all(&code, "");
    for captures in path.captures_iter(&rest) {
        add(&captures[1], &[], false, &mut found);
    }
    found
}

/// Adds the paths of a tree such as `a::{b, c::d as e}`.
fn add(tree: &str, prefix: &[String], is_public: bool, found: &mut Vec<Import>) {
    let (start, list) = match tree.trim().strip_suffix('}').and_then(|tree| tree.split_once('{')) {
        Some((start, list)) => (start, Some(list)),
        None => (tree, None),
    };
    let (start, renamed) =
        start.split_once(" as ").map_or((start, None), |(start, name)| (start, Some(name)));
    let mut path = prefix.to_vec();
    path.extend(start.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()));
    let Some(list) = list else {
        let name = renamed.map_or_else(|| path.last().cloned(), |name| Some(name.trim().to_owned()));
        found.push(Import { path, name: name.unwrap_or_default(), is_public });
        return;
    };
    let (mut depth, mut begin) = (0_u32, 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                add(&list[begin..at], &path, is_public, found);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if !list[begin..].trim().is_empty() {
        add(&list[begin..], &path, is_public, found);
    }
}

/// The file that a path in `module` leads to, through the re-exports of files on the way. `None` for another crate.
fn target(files: &Files, module: &Module, path: &[String]) -> Option<Module> {
    let mut current = module.clone();
    let first = path.first()?;
    if first == "crate" {
        current.clear();
    } else if !["self", "super"].contains(&first.as_str()) {
        current.push(first.clone());
        files.contains_key(&current).then_some(())?;
        current.pop();
    }
    for part in path {
        match part.as_str() {
            "crate" | "self" => continue,
            "super" => {
                current.pop();
                continue;
            }
            _ => {}
        }
        current.push(part.clone());
        if files.contains_key(&current) {
            continue;
        }
        current.pop();
        let mut exports =
            files.get(&current)?.iter().filter(|import| import.is_public && import.name == *part);
        return Some(exports.find_map(|export| target(files, &current, &export.path)).unwrap_or(current));
    }
    Some(current)
}

/// The imports that are part of a circle, or between two.
fn circles(files: &Files) -> Vec<String> {
    let mut edges = BTreeSet::new();
    for (module, imports) in files {
        for import in imports {
            // A folder's own file declares and re-exports its modules.
            if let Some(target) = target(files, module, &import.path)
                && !target.starts_with(module)
            {
                edges.insert((module.clone(), target));
            }
        }
    }
    loop {
        let from: BTreeSet<_> = edges.iter().map(|(from, _)| from.clone()).collect();
        let to: BTreeSet<_> = edges.iter().map(|(_, to)| to.clone()).collect();
        let before = edges.len();
        edges.retain(|edge| to.contains(&edge.0) && from.contains(&edge.1));
        if edges.len() == before {
            break;
        }
    }
    edges.iter().map(|(from, to)| format!("{} imports {}", from.join("::"), to.join("::"))).collect()
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    let sources = sources(".rs").unwrap();
    let crates = crates(&sources);
    assert!(crates.len() > 20, "{crates:?}");
    let mut found = Vec::new();
    for folder in &crates {
        let circles = circles(&files(&sources, folder));
        if EXPLAINED.contains(&folder.as_str()) {
            assert!(!circles.is_empty(), "{folder} has no circles any more: remove it from the list");
        } else {
            found.extend(circles.iter().map(|circle| format!("{folder}: {circle}")));
        }
    }
    none(&found);
}

#[test]
fn circles_are_found_through_lists_and_re_exports() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let mut tree = vec![
        source("lib.rs", "mod a; mod b; pub use b::B;"),
        source("a.rs", "use crate::{\n    b::{c::C, B as Other},\n};"),
        source("b/mod.rs", "mod c; mod d; pub(crate) use d::D as B;"),
        source("b/c.rs", "// use crate::a::A;\nuse std::fmt;"),
        source("b/d.rs", "use super::c::C;\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
    ];
    assert_eq!(circles(&files(&tree, "")), [""; 0]);
    tree.push(source("e.rs", "fn f() { crate::B::new() }"));
    tree[3].text.push_str("use crate::e::f;");
    assert_eq!(circles(&files(&tree, "")), ["b::c imports e", "b::d imports b::c", "e imports b::d"]);
}
