//! Access to the source tree, for the rules in `tests/repo/rules`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Top-level folders without source.
const NOT_SOURCE: [&str; 3] = ["target", "build", ".git"];

/// A text file of the tree.
#[derive(Debug)]
pub struct Source {
    /// Its path from the tree's root, with `/`.
    pub path: String,
    /// The text of the file.
    pub text: String,
}

/// The tree's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// All files whose names end in `ending`, sorted by path.
pub fn sources(ending: &str) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(&root(), "", ending, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// README, CONTRIBUTING and everything in `docs`.
pub fn documents() -> Result<Vec<Source>> {
    let all = sources(".md")?;
    Ok(all
        .into_iter()
        .filter(|source| !source.path.contains('/') || source.path.starts_with("docs/"))
        .collect())
}

/// The text of one file of the tree.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

/// One TOML file of the tree.
pub fn read_toml(path: &str) -> Result<toml::Table> {
    read(path)?.parse().with_context(|| path.to_owned())
}

/// The folders of the workspace's members.
pub fn members() -> Result<Vec<String>> {
    let workspace = read_toml("Cargo.toml")?;
    let members =
        workspace.get("workspace").and_then(|table| table.get("members")).and_then(toml::Value::as_array);
    let members = members.context("Cargo.toml: workspace.members")?;
    let mut folders = Vec::new();
    for member in members.iter().filter_map(toml::Value::as_str) {
        match member.strip_suffix("/*") {
            Some(parent) => folders.extend(folders_in(parent)?),
            None => folders.push(member.to_owned()),
        }
    }
    Ok(folders)
}

/// The folders in `parent`, sorted.
fn folders_in(parent: &str) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in root().join(parent).read_dir().with_context(|| parent.to_owned())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(format!("{parent}/{}", entry.file_name().to_string_lossy()));
        }
    }
    folders.sort();
    Ok(folders)
}

fn collect(folder: &Path, prefix: &str, ending: &str, found: &mut Vec<Source>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            let own = prefix.is_empty() && NOT_SOURCE.contains(&name.as_str());
            if !own && name != "target" {
                collect(&entry.path(), &format!("{path}/"), ending, found)?;
            }
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(entry.path()).with_context(|| path.clone())?;
            found.push(Source { path, text });
        }
    }
    Ok(())
}
