//! Path resolution, which never leaves the starting directory.

use crate::error::{Error, Result};
use crate::record::{Entry, Ino, Kind};
use crate::volume::Volume;

/// Maximum length of a path, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;

/// Symbolic links followed in one path.
pub const MAX_LINKS_FOLLOWED: usize = 40;

/// The treatment of a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Follow it.
    Follow,
    /// Return the link itself, unless a slash follows it.
    Stay,
    /// Always return the link itself: for operations on names.
    Name,
}

/// The result of resolving a path.
#[derive(Debug)]
pub(crate) struct Place {
    /// The parent directory of the last component; without a `name`, the directory that the path itself
    /// names.
    pub(crate) dir: Ino,
    /// The last component, if it is a name.
    pub(crate) name: Option<String>,
    /// The entry at that name, if it exists.
    pub(crate) entry: Option<Entry>,
    /// The path ends in a slash, so it must be a directory.
    pub(crate) slash: bool,
}

/// Checks the bytes of a path before any lookup.
pub(crate) fn check_path(path: &[u8]) -> Result<&str> {
    if path.len() > MAX_PATH_BYTES {
        return Err(Error::NameTooLong);
    }
    if path.is_empty() {
        return Err(Error::NotFound);
    }
    if path.contains(&0) {
        return Err(Error::Invalid);
    }
    std::str::from_utf8(path).map_err(|_| Error::NotUtf8)
}

/// Puts the components of `path` before the remaining ones. True if it ends in a slash.
fn push(waiting: &mut Vec<String>, path: &str) -> Result<bool> {
    if path.starts_with('/') {
        return Err(Error::NotPermitted);
    }
    let parts = path.split('/').filter(|part| !part.is_empty());
    waiting.extend(parts.rev().map(str::to_owned));
    Ok(path.ends_with('/'))
}

/// Walks from `root`. `..` at the root, an absolute path and an absolute link target are
/// [`Error::NotPermitted`].
pub(crate) fn walk(volume: &mut Volume, root: Ino, path: &[u8], last: Last) -> Result<Place> {
    let mut waiting = Vec::new();
    let mut slash = push(&mut waiting, check_path(path)?)?;
    let mut above = Vec::new();
    let mut dir = root;
    let mut followed = 0;
    // A directory that was removed while open is still valid, and empty.
    let removed = volume.stat(root)?.links == 0;
    while let Some(part) = waiting.pop() {
        match part.as_str() {
            "." => continue,
            ".." => {
                dir = above.pop().ok_or(Error::NotPermitted)?;
                continue;
            }
            _ if removed => return Err(Error::NotFound),
            _ => {}
        }
        let is_last = waiting.is_empty();
        let entry = volume.find(dir, &part)?;
        let follow = !is_last || last == Last::Follow || (last == Last::Stay && slash);
        match entry {
            Some(Entry { kind: Kind::Symlink, ino, .. }) if follow => {
                followed += 1;
                if followed > MAX_LINKS_FOLLOWED {
                    return Err(Error::Loop);
                }
                let target = volume.read_link(ino)?;
                let ends_in_slash = push(&mut waiting, &target)?;
                slash |= is_last && ends_in_slash;
                // The total expansion of links must stay bounded too.
                if waiting.len() > MAX_PATH_BYTES {
                    return Err(Error::NameTooLong);
                }
            }
            entry if is_last => return Ok(Place { dir, name: Some(part), entry, slash }),
            Some(Entry { kind: Kind::Directory, ino, .. }) => {
                above.push(dir);
                dir = ino;
            }
            Some(_) => return Err(Error::NotDirectory),
            None => return Err(Error::NotFound),
        }
    }
    Ok(Place { dir, name: None, entry: None, slash })
}
