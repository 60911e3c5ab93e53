//! The volumes of a run, in log lines and on the host.

use std::path::{Display, PathBuf};

/// Prefix of log lines of a volume's server.
pub(super) const VOLUME: &str = "[user] fs: ";
/// Prefix of a volume's name in `init`'s log lines about its processes.
pub(super) const SERVER: &str = "volume ";

/// Volumes and the image or folder behind each on the host.
pub(super) type Behind = [(String, PathBuf)];

/// A line about a volume, with its image or folder on the host.
pub(super) fn with_host(line: &str, behind: &Behind) -> String {
    match of_volume(line, behind) {
        Some((name, host, rest)) => format!("{SERVER}{name} ({host}){rest}"),
        None => line.to_owned(),
    }
}

/// The same without the volume's name, which the user did not choose.
pub(super) fn of_host(line: &str, behind: &Behind) -> String {
    of_volume(line, behind).map_or_else(|| line.to_owned(), |(_, host, rest)| format!("{host}{rest}"))
}

/// The volume in a line, its image or folder, and the rest of the line.
fn of_volume<'a>(line: &'a str, behind: &'a Behind) -> Option<(&'a str, Display<'a>, String)> {
    let rest = line.strip_prefix(SERVER)?;
    behind.iter().find_map(|(name, host)| {
        let rest = rest.strip_prefix(name.as_str())?;
        let is_it = rest.starts_with(": ") || rest.starts_with("/disk: ");
        is_it.then(|| {
            (name.as_str(), host.display(), rest.replace(" FILE`", &format!(" {}`", host.display())))
        })
    })
}
