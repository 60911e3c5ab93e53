//! Test coverage: every manifest has an expectation, every demo a manifest.

use std::collections::BTreeSet;

use capos_repo::{members, read_toml, root, sources};
use capos_tests::expectation::Expectation;
use capos_tests::tree;
use toml::Value;

use crate::none;

#[test]
fn every_manifest_has_an_expectation() {
    let manifests: BTreeSet<_> = tree::manifests().unwrap().into_iter().collect();
    let expectations: BTreeSet<_> = tree::expectations().unwrap().into_iter().collect();
    let untested = manifests.difference(&expectations);
    let dangling = expectations.difference(&manifests);
    let problems: Vec<_> = untested
        .map(|name| format!("{name}.cue: no tests/expected/{name}.toml"))
        .chain(dangling.map(|name| format!("tests/expected/{name}.toml: no manifest {name}.cue")))
        .collect();
    none(&problems);
}

#[test]
fn every_expectation_can_be_read() {
    let names = tree::expectations().unwrap();
    assert!(!names.is_empty());
    let problems: Vec<_> = names
        .iter()
        .filter_map(|name| Expectation::read(name).err())
        .map(|error| format!("{error:#}"))
        .collect();
    none(&problems);
}

#[test]
fn every_demo_is_in_a_manifest() {
    let manifests = sources(".cue").unwrap();
    let problems: Vec<_> = programs()
        .into_iter()
        .filter(|(_, name)| {
            let quoted = format!("\"{name}\"");
            !manifests.iter().any(|manifest| manifest.text.contains(&quoted))
        })
        .map(|(place, name)| format!("{place}: no manifest names {name}"))
        .collect();
    none(&problems);
}

/// The folders of WebAssembly programs, with their file extensions.
const GUESTS: [(&str, &str); 8] = [
    ("demos/guests/src/bin", ".rs"),
    ("demos/c", ".c"),
    ("demos/go", ".go"),
    ("demos/wat", ".wat"),
    ("tests/guests/src/bin", ".rs"),
    ("tests/c", ".c"),
    ("tests/go", ".go"),
    ("tests/wat", ".wat"),
];

/// The folders of native programs.
const NATIVE: [&str; 4] = ["demos/native/", "services/", "storage/service", "tests/native/"];

/// Every program that a manifest can start, with its source path.
fn programs() -> Vec<(String, String)> {
    let mut programs = Vec::new();
    for (folder, ending) in GUESTS {
        let names = names(folder);
        assert!(!names.is_empty(), "{folder}");
        let stems = names.iter().filter_map(|name| name.strip_suffix(ending));
        programs.extend(stems.map(|stem| (format!("{folder}/{stem}{ending}"), stem.to_owned())));
    }
    for folder in members().unwrap() {
        // `init` is in every image, and `capos-console` in every one with a host console, so no manifest names
        // them.
        let native = NATIVE.iter().any(|place| folder.starts_with(place));
        if native && !["services/init", "services/console"].contains(&folder.as_str()) {
            programs.extend(binaries(&folder).into_iter().map(|name| (folder.clone(), name)));
        }
    }
    programs
}

/// The names of a package's binaries.
fn binaries(folder: &str) -> Vec<String> {
    let manifest = read_toml(&format!("{folder}/Cargo.toml")).unwrap();
    let name = |table: &Value| table.get("name").and_then(Value::as_str).map(str::to_owned);
    let listed = manifest.get("bin").and_then(Value::as_array);
    let mut found: Vec<_> = listed.into_iter().flatten().filter_map(name).collect();
    if found.is_empty() && root().join(folder).join("src/main.rs").exists() {
        found.extend(manifest.get("package").and_then(name));
    }
    let more = names(&format!("{folder}/src/bin"));
    found.extend(more.iter().filter_map(|file| file.strip_suffix(".rs")).map(str::to_owned));
    found
}

fn names(folder: &str) -> Vec<String> {
    let entries = root().join(folder).read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
