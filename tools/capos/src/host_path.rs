//! Paths of the host: the folder that a file lies in, and two paths of one file.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The folder that contains `file`.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether both are the same file, or will be when it is created.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), Err(_)) => {
            let place = |path: &Path| folder_of(path).canonicalize().ok();
            one.file_name() == other.file_name() && place(one) == place(other)
        }
        _ => false,
    }
}
