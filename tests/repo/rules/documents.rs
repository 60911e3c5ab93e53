//! Paths and commands in README and docs: they exist and are valid.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use capos_repo::{Source, documents, read, root};
use capos_tests::tree;
use regex::Regex;

use crate::none;

/// Folders created by the build; files in them need not exist.
const MADE: [&str; 2] = ["build/", "target/"];

/// The pages for readers.
pub(crate) fn pages() -> Vec<Source> {
    documents().unwrap()
}

pub(crate) fn regex(expression: &str) -> Regex {
    Regex::new(expression).unwrap()
}

/// The spans between backticks in running text, with line numbers. Code blocks are excluded.
pub(crate) fn spans(document: &Source) -> Vec<(usize, String)> {
    static SPAN: LazyLock<Regex> = LazyLock::new(|| regex("`([^`]+)`"));
    let mut found = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(document.text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(SPAN.captures_iter(line).map(|captures| (number, captures[1].to_owned())));
        }
    }
    found
}

/// The lines of code blocks.
pub(crate) fn code(document: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(document.text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.push((number, line.to_owned()));
        }
    }
    found
}

/// A name in capitals is a placeholder, as in `manifests/NAME.cue`.
pub(crate) fn is_placeholder(path: &str) -> bool {
    static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(NAME|FILE|FOLDER)\b"));
    path.contains(['*', '<', '{', '…']) || path.contains("...") || NAME.is_match(path)
}

/// Whether a path's first component is in the tree's top folder, so that it refers to a file of the tree.
pub(crate) fn is_ours(path: &str) -> bool {
    path.split_once('/').is_some_and(|(first, _)| !first.is_empty() && root().join(first).exists())
}

#[test]
fn paths_that_documents_name_exist() {
    let path = regex(r"^[A-Za-z0-9_.@/*<>{}…-]+/[A-Za-z0-9_.@/*<>{}…-]*$");
    let mut problems = Vec::new();
    for document in documents().unwrap() {
        for (number, text) in spans(&document) {
            let checked = path.is_match(&text)
                && is_ours(&text)
                && !is_placeholder(&text)
                && !MADE.iter().any(|folder| text.starts_with(folder));
            if checked && !root().join(&text).exists() {
                problems.push(format!("{}:{number}: `{text}` does not exist", document.path));
            }
        }
    }
    none(&problems);
}

#[test]
fn links_lead_somewhere() {
    let link = regex(r"\]\(([^)#\s]+)(#[^)]*)?\)");
    let mut problems = Vec::new();
    for document in documents().unwrap() {
        let folder = root().join(&document.path).parent().map(Path::to_path_buf).unwrap();
        for (number, line) in (1..).zip(document.text.lines()) {
            for captures in link.captures_iter(line) {
                let target = &captures[1];
                if !target.contains("://") && !folder.join(target).exists() {
                    problems.push(format!("{}:{number}: the link to {target} leads nowhere", document.path));
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn the_index_leads_to_every_document() {
    let index = read("docs/README.md").unwrap();
    let problems: Vec<_> = pages()
        .iter()
        .filter_map(|page| page.path.strip_prefix("docs/"))
        .filter(|name| *name != "README.md" && !index.contains(&format!("]({name})")))
        .map(|name| format!("docs/README.md: no link to {name}"))
        .collect();
    none(&problems);
}

/// The Makefile's targets, with `run-NAME` for each manifest.
fn make_targets() -> BTreeSet<String> {
    let rule = regex(r"(?m)^([a-z][a-z0-9-]*):( |$)");
    let makefile = read("Makefile").unwrap();
    let mut targets: BTreeSet<_> =
        rule.captures_iter(&makefile).map(|captures| captures[1].to_owned()).collect();
    targets.extend(tree::manifests().unwrap().into_iter().map(|name| format!("run-{name}")));
    targets.extend(["run-NAME", "run-NAME…", "check-NAME"].map(str::to_owned));
    targets
}

/// The targets of the `make` commands in `text`: words after `make` that are neither options nor settings.
fn named_targets(text: &str) -> Vec<String> {
    let command = regex(r"(?:^|[|;&]\s*|\$ )make((?: +[^ |;&#>]+)*)");
    let words = command
        .captures_iter(text)
        .flat_map(|captures| captures[1].split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| !word.starts_with('-') && !word.contains(['=', '\'', '"'])).collect()
}

#[test]
fn make_targets_that_documents_name_exist() {
    let targets = make_targets();
    let mut problems = Vec::new();
    for document in documents().unwrap() {
        for (number, text) in spans(&document).into_iter().chain(code(&document)) {
            for target in named_targets(text.trim()) {
                // Hypothetical programs of the reader are named my-….
                if !targets.contains(&target) && !target.starts_with("run-my-") {
                    problems.push(format!("{}:{number}: make has no target {target}", document.path));
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn commands_in_the_readme_can_be_typed() {
    let readme = Source { path: "README.md".to_owned(), text: read("README.md").unwrap() };
    let targets: BTreeSet<_> =
        code(&readme).iter().flat_map(|(_, line)| named_targets(line.trim())).collect();
    assert!(
        targets.contains("run") && targets.contains("test"),
        "README.md does not say how to run and test"
    );
    let mut problems = Vec::new();
    for target in targets.iter().filter(|target| !target.contains("NAME") && !target.starts_with("run-my-")) {
        let output = Command::new("make")
            .args(["--dry-run", target])
            .current_dir(root())
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .output()
            .unwrap();
        if !output.status.success() {
            problems.push(format!("make {target}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    none(&problems);
}

#[test]
fn continuous_integration_runs_the_test_command_of_the_readme() {
    assert!(read(".ci/run").unwrap().lines().any(|line| line.trim() == "make test"));
}

#[test]
fn make_help_lists_every_target_that_people_call() {
    let output =
        Command::new("make").arg("help").current_dir(root()).env_remove("MAKEFLAGS").output().unwrap();
    let help = String::from_utf8_lossy(&output.stdout);
    let makefile = read("Makefile").unwrap();
    let phony = makefile.lines().find_map(|line| line.strip_prefix(".PHONY: help ")).unwrap();
    let problems: Vec<_> = phony
        .split_whitespace()
        .filter(|target| !help.lines().any(|line| line.split_whitespace().next() == Some(target)))
        .map(|target| format!("Makefile: {target} has no `## description`"))
        .collect();
    none(&problems);
}
