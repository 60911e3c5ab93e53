//! Evaluates a manifest with `tools/cue`, or with the official `cue` command, which takes the same arguments.

mod evaluator;
mod package;
mod position;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::string::FromUtf8Error;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::problem::{BadManifest, Problem};
use crate::project::Project;
use evaluator::Bounds;
pub use position::positions;

/// Whether an evaluation includes `manifests/schema.cue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definitions {
    /// Included: the result has every default, and violations are errors.
    Apply,
    /// The manifest is evaluated alone.
    Leave,
}

/// The problem with text in single quotes, which in CUE are for bytes, and become another text in JSON.
pub const BYTES: &str = "text is written in double quotes; in single quotes it is bytes";

/// Evaluates `manifest`. CUE's errors are returned as a [`BadManifest`].
pub fn export(project: &Project, manifest: &Path, definitions: Definitions) -> Result<Value> {
    if !manifest.is_file() {
        bail!("{}: no such file", manifest.display());
    }
    let text = fs::read(manifest).with_context(|| manifest.display().to_string())?;
    let text = String::from_utf8(text).map_err(|error| not_text(manifest, &error))?;
    if let Err(problem) = package::check(&text) {
        return Err(BadManifest::new(manifest, vec![problem]).into());
    }
    let cue = command(project);
    let definitions = (definitions == Definitions::Apply).then(|| project.schema());
    let files = std::iter::once(manifest).chain(definitions.as_deref()).map(Path::as_os_str);
    let evaluated = evaluator::export(&cue, files, Bounds::default())?;
    if let Some(reason) = evaluated.exceeded {
        bail!("{}: {reason}", manifest.display());
    }
    if evaluated.status.success() {
        return serde_json::from_slice(&evaluated.value).context("the output of cue export");
    }
    let problems = problems(&evaluated.messages);
    if !problems.is_empty() {
        let bad = BadManifest::new(manifest, problems);
        return Err(bad.locate(|file, paths| positions(project, file, paths)).into());
    }
    bail!("{}: {} ended with {}", manifest.display(), cue.display(), evaluated.status)
}

fn not_text(manifest: &Path, error: &FromUtf8Error) -> BadManifest {
    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let problem = Problem::new("", "not UTF-8 text, as manifests are");
    BadManifest::new(manifest, vec![Problem { position: Some(format!("{line}:1")), ..problem }])
}

/// The `cue` command to use: the environment's CUE, the tree's own, or the one on the path.
fn command(project: &Project) -> OsString {
    env::var_os("CUE").filter(|cue| !cue.is_empty()).unwrap_or_else(|| {
        let own = project.tool("cue");
        if own.is_file() { own.into_os_string() } else { "cue".into() }
    })
}

/// Parses CUE's messages: `path: reason:` with indented source positions below.
fn problems(text: &str) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut position_wanted = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with(char::is_whitespace) {
            // Positions in the definitions do not help the author of a manifest; the first other one does.
            if let (true, Some(problem)) = (position_wanted, problems.last_mut())
                && let Some((_, tail)) = line.trim().split_once(".cue:")
                && !line.contains("/schema.cue:")
            {
                problem.position = Some(tail.trim_end_matches(':').to_owned());
                position_wanted = false;
            }
            continue;
        }
        let (path, reason) = split(line.trim_end_matches(':'));
        let reason = in_words(reason);
        if reason.ends_with("errors in empty disjunction") {
            position_wanted = false;
            continue;
        }
        let problem = Problem::new(path, reason);
        position_wanted =
            !problems.iter().any(|other| (&other.path, &other.reason) == (&problem.path, &problem.reason));
        if position_wanted {
            problems.push(problem);
        }
    }
    problems
}

/// A reason in words of manifests, where CUE's are about its own types.
fn in_words(reason: &str) -> String {
    if let Some(allowed) = reason.strip_prefix("incomplete value ") {
        return match allowed.contains(" | ") {
            true => format!("it has no single value, only the alternatives {allowed}"),
            false => format!("it has no value, only a condition for one: {allowed}"),
        };
    }
    let is_of_bytes = ["(mismatched types bytes and string)", "(mismatched types string and bytes)"];
    if is_of_bytes.iter().any(|end| reason.ends_with(end)) { BYTES.to_owned() } else { reason.to_owned() }
}

/// Splits `processes.0.grants: field not allowed`; a message without a path has an empty one.
fn split(line: &str) -> (&str, &str) {
    match line.split_once(": ") {
        Some((path, reason)) if !path.contains(' ') || path.starts_with('"') => (path, reason),
        _ => ("", line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_as_text_in_the_wrong_quotes() {
        let text = "name: conflicting values 'e' and =~\"^[A-Z]$\" (mismatched types bytes and string):\n    ./bad.cue:2:7\n";
        let wanted = Problem { position: Some("2:7".to_owned()), ..Problem::new("name", BYTES) };
        assert_eq!(problems(text), [wanted]);
    }

    #[test]
    fn a_value_that_is_only_a_condition_is_explained() {
        for (reason, wanted) in [
            ("incomplete value string", "it has no value, only a condition for one: string"),
            ("incomplete value \"a\" | \"b\"", "it has no single value, only the alternatives \"a\" | \"b\""),
        ] {
            assert_eq!(problems(&format!("name: {reason}\n")), [Problem::new("name", wanted)]);
        }
    }

    #[test]
    fn messages_become_problems() {
        let text = "processes.0.grants.consle: field not allowed:\n    ./manifests/schema.cue:48:10\n    ./bad.cue:6:11\n\
                    2 errors in empty disjunction:\n";
        assert_eq!(
            problems(text),
            [Problem {
                position: Some("6:11".to_owned()),
                ..Problem::new("processes.0.grants.consle", "field not allowed")
            }]
        );
    }
}
