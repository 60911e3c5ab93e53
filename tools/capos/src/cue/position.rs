//! Where in a manifest a field stands, as CUE knows it.
//!
//! `cue` prints positions only with errors. So the manifest is evaluated together with a file that contradicts it at
//! just the field in question, and the position is read from the complaint. That finds fields wherever they come from:
//! a comprehension, a definition, another file of the package.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::command;
use crate::project::Project;

/// No field has this value: names and texts of manifests have no NUL characters.
const CONTRADICTION: &str = "\"\\u0000capos\"";

/// `LINE:COLUMN` in `manifest` of the field at `path`, or, where the manifest has no such field, of the closest one
/// around it. `None` where CUE does not say.
pub fn position(project: &Project, manifest: &Path, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
    while !parts.is_empty() {
        if let Some(found) = position_of(project, manifest, &parts) {
            return Some(found);
        }
        parts.pop();
    }
    None
}

fn position_of(project: &Project, manifest: &Path, parts: &[&str]) -> Option<String> {
    let mut file = tempfile::Builder::new().prefix("capos-").suffix(".cue").tempfile().ok()?;
    writeln!(file, "package capos\n{}", contradiction(parts)).ok()?;
    let output = Command::new(command(project))
        .process_group(0)
        .args(["export", "--all-errors", "--out", "json"])
        .args([manifest, file.path()])
        .output()
        .ok()?;
    find(&String::from_utf8_lossy(&output.stderr), parts, manifest)
}

/// A CUE file's only declaration: [`CONTRADICTION`] at the place that `parts` leads to.
fn contradiction(parts: &[&str]) -> String {
    let (mut before, mut after) = (String::new(), String::new());
    for (depth, part) in parts.iter().enumerate() {
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

/// Reads the position from the message about `parts`: indented lines such as `    ./my.cue:6:11` below it.
fn find(messages: &str, parts: &[&str], manifest: &Path) -> Option<String> {
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
        assert_eq!(find(text, &["wasm", "0", "a-b"], Path::new("x/m.cue")), Some("10:46".to_owned()));
        assert_eq!(find(text, &["wasm", "1"], Path::new("x/m.cue")), None);
    }
}
