//! The layout of the source tree.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The tree's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The built kernel.
pub fn kernel() -> PathBuf {
    root().join("target/kernel/x86_64-unknown-none/release/capos-kernel")
}

/// The folders of manifests: those for users, and those for tests and measurements.
const MANIFESTS: [&str; 2] = ["manifests", "tests/manifests"];

/// The manifest of that name.
pub fn manifest(name: &str) -> PathBuf {
    let [toured, tested] = MANIFESTS.map(|folder| root().join(folder).join(format!("{name}.cue")));
    if toured.is_file() { toured } else { tested }
}

/// The names of all manifests, sorted; the definitions are not one.
pub fn manifests() -> Result<Vec<String>> {
    let mut all = Vec::new();
    for folder in MANIFESTS {
        all.extend(names(folder, "cue")?.into_iter().filter(|name| name != "schema"));
    }
    all.sort();
    Ok(all)
}

/// The names of all expectations, sorted.
pub fn expectations() -> Result<Vec<String>> {
    names("tests/expected", "toml")
}

/// The names, without extension, of the files in `folder` that have it.
fn names(folder: &str, extension: &str) -> Result<Vec<String>> {
    let folder = root().join(folder);
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension)
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
