//! Finds the source position of a manifest's field.
//!
//! `cue` prints positions only with errors. So the manifest is evaluated together with a file that contradicts it at
//! just that field, and the position is read from the error. That finds fields wherever they come from: a
//! comprehension, a definition, another file of the package.

use std::io::Write as _;
use std::path::Path;

use super::command;
use super::evaluator::{self, Bounds};
use crate::project::Project;

/// A value that no field has: names and strings of manifests have no NUL characters.
const CONTRADICTION: &str = "\"\\u0000capos\"";

/// `LINE:COLUMN` in `manifest` of the field at each of `paths` or, if the manifest has no such field, of the closest one
/// around it. `None` if CUE does not report it. Fields that do not contain one another share an evaluation.
pub fn positions(project: &Project, manifest: &Path, paths: &[&str]) -> Vec<Option<String>> {
    let parts = |path: &str| path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut wanted: Vec<Vec<String>> = paths.iter().map(|path| parts(path)).collect();
    let mut found: Vec<Option<String>> = vec![None; paths.len()];
    while wanted.iter().any(|parts| !parts.is_empty()) {
        let round = independent(&wanted);
        let messages = contradicted(project, manifest, &round).unwrap_or_default();
        for (parts, found) in wanted.iter_mut().zip(&mut found) {
            if !round.contains(parts) {
                continue;
            }
            *found = find(&messages, parts, manifest);
            match found {
                Some(_) => parts.clear(),
                None => drop(parts.pop()),
            }
        }
    }
    found
}

/// Places of which none contains another, each once.
fn independent(wanted: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut chosen: Vec<Vec<String>> = Vec::new();
    for parts in wanted.iter().filter(|parts| !parts.is_empty()) {
        if !chosen.iter().any(|other| other.starts_with(parts) || parts.starts_with(other)) {
            chosen.push(parts.clone());
        }
    }
    chosen
}

/// CUE's messages about the manifest with a contradiction at each of these places.
fn contradicted(project: &Project, manifest: &Path, places: &[Vec<String>]) -> Option<String> {
    let mut file = tempfile::Builder::new().prefix("capos-").suffix(".cue").tempfile().ok()?;
    let declarations: Vec<String> = places.iter().map(|parts| contradiction(parts)).collect();
    writeln!(file, "package capos\n{}", declarations.join("\n")).ok()?;
    let files = [manifest, file.path()].map(Path::as_os_str);
    let evaluated = evaluator::export(&command(project), files, Bounds::default()).ok()?;
    Some(evaluated.messages)
}

/// A CUE declaration of [`CONTRADICTION`] at the path `parts`.
fn contradiction(parts: &[impl AsRef<str>]) -> String {
    let (mut before, mut after) = (String::new(), String::new());
    for (depth, part) in parts.iter().map(AsRef::as_ref).enumerate() {
        match part.parse::<usize>() {
            Ok(index) => {
                before.push('[');
                before.push_str(&"_, ".repeat(index));
                after.insert_str(0, ", ...]");
            }
            Err(_) if depth == 0 => before.push_str(&format!("{part:?}: ")),
            Err(_) => {
                before.push_str(&format!("{{{part:?}: "));
                after.insert(0, '}');
            }
        }
    }
    format!("{before}{CONTRADICTION}{after}")
}

/// Extracts the position from the message about `parts`: indented lines such as `    ./my.cue:6:11` below it.
fn find(messages: &str, parts: &[String], manifest: &Path) -> Option<String> {
    let name = manifest.file_name()?.to_str()?;
    let mut ours = false;
    for line in messages.lines() {
        if !line.starts_with(char::is_whitespace) {
            let (path, _) = line.split_once(": ")?;
            ours = path.replace('"', "") == parts.join(".");
        } else if let (true, Some((file, place))) = (ours, line.trim().split_once(".cue:"))
            && Path::new(&format!("{file}.cue")).file_name()?.to_str() == Some(name)
        {
            return Some(place.trim_end_matches(':').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contradiction_stands_where_the_path_leads() {
        let value = CONTRADICTION;
        assert_eq!(contradiction(&["exitFrom"]), format!("\"exitFrom\": {value}"));
        assert_eq!(
            contradiction(&["wasm", "0", "instances", "2", "preopens", "0", "volume"]),
            format!(
                "\"wasm\": [{{\"instances\": [_, _, {{\"preopens\": [{{\"volume\": {value}}}, ...]}}, ...]}}, ...]"
            )
        );
    }

    #[test]
    fn the_position_is_that_of_the_right_message_and_file() {
        let text = "name: something else:\n    ../m.cue:1:1\nwasm.0.\"a-b\": conflicting values 1 and 2:\n    \
                    ../../tmp/capos-x.cue:2:46\n    ./m.cue:10:46\n";
        let place = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        assert_eq!(find(text, &place(&["wasm", "0", "a-b"]), Path::new("x/m.cue")), Some("10:46".to_owned()));
        assert_eq!(find(text, &place(&["wasm", "1"]), Path::new("x/m.cue")), None);
    }

    #[test]
    fn a_round_has_no_place_within_another() {
        let place = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let wanted = ["a.0.b", "a", "a.0", "c", "c", "a.1"].map(place);
        assert_eq!(independent(&wanted), ["a.0.b", "c", "a.1"].map(place));
        assert!(independent(&[Vec::new()]).is_empty());
    }
}
