//! The bytes of a WebAssembly file, in binary or text form.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};

/// A larger file is no program that a host takes.
const MAX_BYTES: u64 = 1 << 30;

/// Reads a WebAssembly file. Text, which is known by its `.wat`, is assembled.
///
/// # Errors
/// When it cannot be read, or is text with an error, which is shown with its place.
pub fn module_bytes(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let metadata = fs::metadata(path).with_context(|| shown.to_string())?;
    ensure!(!metadata.is_dir(), "{shown} is a folder, and a program is a file");
    ensure!(metadata.is_file(), "{shown}: not a file");
    ensure!(metadata.len() <= MAX_BYTES, "{shown}: {} bytes, more than a program has", metadata.len());
    let bytes = fs::read(path).with_context(|| shown.to_string())?;
    if path.extension().is_some_and(|extension| extension == "wat") {
        return assemble(path, &bytes);
    }
    Ok(bytes)
}

/// Binary modules pass as they are, as with wasmtime.
fn assemble(path: &Path, text: &[u8]) -> Result<Vec<u8>> {
    let binary = wat::parse_bytes(text).map_err(|mut error| {
        error.set_path(path);
        anyhow!("{}", in_one_line(&error.to_string()))
    })?;
    Ok(binary.into_owned())
}

/// A message over several lines, `REASON`, `--> PLACE` and an excerpt, as `PLACE: REASON`.
fn in_one_line(message: &str) -> String {
    let mut lines = message.lines().map(str::trim);
    let reason = lines.next().unwrap_or_default();
    match lines.find_map(|line| line.strip_prefix("--> ")) {
        Some(place) => format!("{place}: {reason}"),
        None => message.to_owned(),
    }
}
