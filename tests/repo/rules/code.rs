//! Rules for Rust source.

use capos_repo::{Source, sources};
use regex::Regex;

use crate::none;

/// A longer file needs a comment that begins with `Length:` and gives the reason.
const LONG_FILE_LINES: usize = 500;

/// The only paths that may lift the lint on `unsafe`.
const UNSAFE_PLACES: [&str; 8] = [
    "kernel/src/arch",
    "kernel/src/mm",
    "capos-rt/",
    "capos-wasm/src/",
    "demos/native/",
    "libs/package/src/",
    // They use the binary contract without the runtime: to violate it, and to measure it.
    "tests/native/hostile/src/",
    "tests/native/bench/src/",
];

/// Phrases that are not a reason in a safety comment.
const NO_REASONS: [&str; 3] = ["todo", "ensured by caller", "ensured by the caller"];

fn rust() -> Vec<Source> {
    let own = "tests/repo/rules/code.rs";
    sources(".rs").unwrap().into_iter().filter(|source| source.path != own).collect()
}

#[test]
fn long_files_explain_themselves() {
    let long = rust().into_iter().filter(|source| {
        source.text.lines().count() > LONG_FILE_LINES && !source.text.contains("// Length:")
    });
    let problems: Vec<_> = long
        .map(|source| {
            format!(
                "{}: {} lines, and no `// Length:` that says why",
                source.path,
                source.text.lines().count()
            )
        })
        .collect();
    none(&problems);
}

#[test]
fn unsafe_is_lifted_only_where_it_may_be() {
    let lifting = Regex::new(r"#!?\[(expect|allow)\(\s*unsafe_code").unwrap();
    let mut problems = Vec::new();
    for source in rust() {
        let lifted = lifting.is_match(&source.text);
        let allowed = UNSAFE_PLACES.iter().any(|place| source.path.starts_with(place))
            || source.text.contains("// Unsafe here:");
        if lifted && !allowed {
            problems.push(format!(
                "{}: lifts the lint on unsafe code, and no `// Unsafe here:` says why",
                source.path
            ));
        }
    }
    none(&problems);
}

#[test]
fn safety_comments_name_a_fact() {
    let mut problems = Vec::new();
    for source in rust() {
        let mut in_comment = false;
        for (number, line) in (1..).zip(source.text.lines()) {
            let line = line.trim_start().to_lowercase();
            in_comment = line.starts_with("//") && (in_comment || line.contains("safety:"));
            if in_comment && NO_REASONS.iter().any(|word| line.contains(word)) {
                problems.push(format!("{}:{number}: not a reason: {line}", source.path));
            }
        }
    }
    none(&problems);
}

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    let question = Regex::new(r"^//[/!] (What|Who|Whoever|Whatever)\b").unwrap();
    let mut problems = Vec::new();
    for source in rust() {
        let mut in_comment = false;
        for (number, line) in (1..).zip(source.text.lines()) {
            let line = line.trim_start();
            if !in_comment && question.is_match(line) {
                problems.push(format!("{}:{number}: name the thing: {line}", source.path));
            }
            in_comment = line.starts_with("///") || line.starts_with("//!");
        }
    }
    none(&problems);
}

/// A module with submodules is `name.rs` beside the folder `name/`. Helpers of integration tests are `mod.rs`, so that Cargo
/// does not take them for tests.
#[test]
fn modules_are_named_by_their_files() {
    let misnamed = |source: &Source| source.path.ends_with("/mod.rs") && !source.path.contains("/tests/");
    let problems: Vec<_> =
        rust().iter().filter(|source| misnamed(source)).map(|source| source.path.clone()).collect();
    none(&problems);
}
