//! Rules for the Cargo workspace.

use capos_repo::{members, read, read_toml};
use toml::{Table, Value};

use crate::none;

const DEPENDENCY_KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

#[test]
fn every_member_takes_the_workspace_lints() {
    let mut problems = Vec::new();
    for member in members().unwrap() {
        let manifest = read_toml(&format!("{member}/Cargo.toml")).unwrap();
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
        if lints != Some(true) {
            problems.push(format!("{member}/Cargo.toml: needs `[lints]` with `workspace = true`"));
        }
    }
    none(&problems);
}

#[test]
fn versions_are_pinned_in_one_place() {
    let root = read_toml("Cargo.toml").unwrap();
    let dependencies =
        root.get("workspace").and_then(|table| table.get("dependencies")).and_then(Value::as_table);
    let mut problems = Vec::new();
    for (name, dependency) in dependencies.unwrap() {
        if let Some(version) = version(dependency)
            && !version.starts_with('=')
        {
            problems.push(format!("Cargo.toml: {name} = \"{version}\" is not pinned with `=`"));
        }
    }
    for member in members().unwrap() {
        let manifest = read_toml(&format!("{member}/Cargo.toml")).unwrap();
        for (name, dependency) in all_dependencies(&manifest) {
            if version(dependency).is_some() {
                problems.push(format!("{member}/Cargo.toml: {name} has a version of its own"));
            }
        }
    }
    none(&problems);
}

#[test]
fn every_dependency_has_its_reason() {
    let root = read_toml("Cargo.toml").unwrap();
    let reasons = read("docs/dependencies.md").unwrap();
    let dependencies =
        root.get("workspace").and_then(|table| table.get("dependencies")).and_then(Value::as_table);
    let from_outside = dependencies.unwrap().iter().filter(|(_, dependency)| version(dependency).is_some());
    let problems: Vec<_> = from_outside
        .filter(|(name, _)| !reasons.contains(&format!("`{name}`")))
        .map(|(name, _)| format!("docs/dependencies.md: no line for `{name}`"))
        .collect();
    none(&problems);
}

fn version(dependency: &Value) -> Option<&str> {
    dependency.as_str().or_else(|| dependency.get("version").and_then(Value::as_str))
}

/// Dependencies of all kinds, including target-specific ones.
fn all_dependencies(manifest: &Table) -> Vec<(&String, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table));
    let tables = std::iter::once(manifest).chain(targets);
    tables
        .flat_map(|table| {
            DEPENDENCY_KINDS.iter().filter_map(|kind| table.get(*kind).and_then(Value::as_table))
        })
        .flatten()
        .collect()
}
