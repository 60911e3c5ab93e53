//! Nothing goes untested: every manifest has an expectation, every demo a manifest.

use std::collections::BTreeSet;
use std::path::Path;

use capos_repo::{root, sources};
use capos_tests::expectation::Expectation;
use capos_tests::tree;

use crate::none;

#[test]
fn every_manifest_has_an_expectation() {
    let manifests: BTreeSet<_> = tree::manifests().unwrap().into_iter().collect();
    let expectations: BTreeSet<_> = tree::expectations().unwrap().into_iter().collect();
    let untested = manifests.difference(&expectations);
    let dangling = expectations.difference(&manifests);
    let problems: Vec<_> = untested
        .map(|name| format!("manifests/{name}.cue: no tests/expected/{name}.toml"))
        .chain(dangling.map(|name| format!("tests/expected/{name}.toml: no manifests/{name}.cue")))
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
    let demos = [
        ("demos/guests/src/bin", ".rs"),
        ("demos/c", ".c"),
        ("demos/wat", ".wat"),
        ("demos/native", ""),
        ("services", ""),
    ];
    // Packed into every image, so no manifest names it.
    let everywhere = "init";
    let mut problems = Vec::new();
    for (folder, ending) in demos {
        for name in names(&root().join(folder)) {
            let Some(name) = name.strip_suffix(ending) else { continue };
            let quoted = format!("\"{name}\"");
            if name != everywhere && !manifests.iter().any(|manifest| manifest.text.contains(&quoted)) {
                problems.push(format!("{folder}/{name}{ending}: no manifest names it"));
            }
        }
    }
    none(&problems);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
