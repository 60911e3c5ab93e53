//! The bytes of a WebAssembly file, in binary or text form.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};

/// Maximum size of a program: a boot package stores each in one Cap'n Proto `Data`.
pub(crate) const MOST_MODULE_BYTES: u64 = (1 << 29) - 1;

/// Reads a WebAssembly file. Text, recognised by the extension `.wat`, is assembled.
///
/// # Errors
/// If it cannot be read, or is text with an error, which is reported with its position.
pub fn module_bytes(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let metadata = fs::metadata(path).with_context(|| shown.to_string())?;
    ensure!(!metadata.is_dir(), "{shown} is a folder; a program must be a file");
    ensure!(metadata.is_file(), "{shown}: not a file");
    ensure!(
        metadata.len() <= MOST_MODULE_BYTES,
        "{shown}: larger than the maximum for a program, {} MiB",
        MOST_MODULE_BYTES.div_ceil(1 << 20)
    );
    let bytes = fs::read(path).with_context(|| shown.to_string())?;
    if path.extension().is_some_and(|extension| extension == "wat") {
        return assemble(path, &bytes);
    }
    Ok(bytes)
}

/// Binary modules pass unchanged, as in wasmtime.
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
