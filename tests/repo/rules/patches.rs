//! Rules for the patches to released crates.

use std::collections::BTreeMap;
use std::fs;

use capos_repo::{read, read_toml, root};
use toml::{Table, Value};

use crate::none;

/// The names of a folder's entries, sorted.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The folders in `patches`, each split into crate and version.
fn patched() -> Vec<(String, String)> {
    let split = |name: &String| name.rsplit_once('-').map(|(name, version)| (name.into(), version.into()));
    names("patches").iter().filter_map(split).collect()
}

/// The checksum of each `NAME VERSION` in a lock file.
fn locked(path: &str) -> BTreeMap<String, String> {
    let lock = read_toml(path).unwrap();
    let packages = lock.get("package").and_then(Value::as_array).unwrap();
    let text = |package: &Value, key| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    packages
        .iter()
        .map(|package| {
            let name = format!("{} {}", text(package, "name"), text(package, "version"));
            (name, text(package, "checksum"))
        })
        .collect()
}

fn table<'a>(of: &'a Table, path: &[&str]) -> Option<&'a Table> {
    let (first, rest) = path.split_first()?;
    let inner = of.get(*first)?.as_table()?;
    if rest.is_empty() { Some(inner) } else { table(inner, rest) }
}

#[test]
fn patched_crates_are_the_ones_that_are_built() {
    let root = read_toml("Cargo.toml").unwrap();
    let replaced = table(&root, &["patch", "crates-io"]).unwrap();
    let fetched = read_toml("patches/Cargo.toml").unwrap();
    let fetched = table(&fetched, &["dependencies"]).unwrap();
    let (ours, theirs) = (locked("Cargo.lock"), locked("patches/Cargo.lock"));
    let mut problems = Vec::new();
    for (name, version) in patched() {
        let package = format!("{name} {version}");
        if !replaced.contains_key(&name) {
            problems.push(format!("Cargo.toml: [patch.crates-io] does not name {name}"));
        }
        let pin = fetched.get(&name).and_then(|dependency| dependency.get("version")).and_then(Value::as_str);
        if pin != Some(&format!("={version}")) {
            problems.push(format!("patches/Cargo.toml: {name} is not pinned to {version}"));
        }
        if !ours.contains_key(&package) {
            problems.push(format!("Cargo.lock: {package} is patched and not built"));
        }
        if theirs.get(&package).is_none_or(|checksum| checksum.len() != 64) {
            problems.push(format!("patches/Cargo.lock: no checksum for {package}"));
        }
    }
    // Anything else would be fetched needlessly.
    for package in theirs.keys().filter(|package| !package.starts_with("patched-crates ")) {
        if !ours.contains_key(package) {
            problems.push(format!("patches/Cargo.lock: {package} is not what Cargo.lock has"));
        }
    }
    for name in replaced.keys().chain(fetched.keys()) {
        if !patched().iter().any(|(patched, _)| patched == name) {
            problems.push(format!("patches: no folder for {name}"));
        }
    }
    none(&problems);
}

#[test]
fn every_patch_has_its_reason() {
    let page = read("docs/patches.md").unwrap();
    let mut problems = Vec::new();
    for (name, version) in patched() {
        let folder = format!("patches/{name}-{version}");
        for file in names(&folder) {
            let path = format!("{folder}/{file}");
            let text = read(&path).unwrap();
            let reason =
                text.lines().take_while(|line| !line.starts_with("--- ")).filter(|line| !line.is_empty());
            if reason.count() < 2 {
                problems.push(format!("{path}: needs a line that says what it does, and why"));
            }
            if !page.contains(&format!("`{path}`")) {
                problems.push(format!("docs/patches.md: no line for `{path}`"));
            }
        }
    }
    none(&problems);
}
