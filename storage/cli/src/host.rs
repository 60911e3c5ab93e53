//! A host folder accessed only by descriptors: no symbolic link on the way is ever followed, not even one that
//! appears during the work.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, openat};
use rustix::io::Errno;

/// An open folder.
#[derive(Debug)]
pub(crate) struct HostFolder {
    root: OwnedFd,
    path: PathBuf,
}

/// A handle for directories and their entries that neither reads nor writes them.
const WAY: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl HostFolder {
    /// Opens the folder at `path`, which may itself be a symbolic link.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| path.display().to_string())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &path, flags, Mode::empty()).with_context(|| path.display().to_string())?;
        Ok(Self { root, path })
    }

    /// Its path when it was opened, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory at `path`, relative to the folder; the folder itself for an empty path.
    pub(crate) fn directory(&self, path: &str) -> io::Result<OwnedFd> {
        let mut directory = openat(&self.root, ".", WAY | OFlags::DIRECTORY, Mode::empty())?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            directory = openat(&directory, part, WAY | OFlags::DIRECTORY, Mode::empty())?;
        }
        Ok(directory)
    }

    /// The directory that contains `path`, and the name in it.
    pub(crate) fn place<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.directory(directory)?, name))
    }

    /// The metadata of `path` itself, without following a link.
    pub(crate) fn look(&self, path: &str) -> io::Result<Option<Metadata>> {
        match self.place(path).and_then(|(directory, name)| look(&directory, name)) {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the file at `path` is protected from its user: by a mode without any right to write, which even the
    /// superuser is taken to mean, or by one that denies it to us.
    pub(crate) fn is_protected(&self, path: &str) -> io::Result<bool> {
        const WRITE_BITS: u32 = 0o222;
        let (directory, name) = self.place(path)?;
        if look(&directory, name)?.permissions().mode() & WRITE_BITS == 0 {
            return Ok(true);
        }
        match accessat(&directory, name, Access::WRITE_OK, AtFlags::empty()) {
            Ok(()) => Ok(false),
            Err(Errno::ACCESS | Errno::PERM) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the file at `path` for reading. Other kinds of files do not block it.
    pub(crate) fn read(&self, path: &str) -> io::Result<File> {
        let (directory, name) = self.place(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&directory, name, flags, Mode::empty())?.into())
    }

    /// Sets the mode and times of the directory at `path`.
    pub(crate) fn set_directory(
        &self,
        path: &str,
        mode: Option<Permissions>,
        modified_ns: u64,
    ) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = File::from(openat(&parent, name, flags, Mode::empty())?);
        directory.set_modified(crate::export::time(modified_ns))?;
        mode.map_or(Ok(()), |mode| directory.set_permissions(mode))
    }
}

/// The metadata of `name` in `directory`.
pub(crate) fn look(directory: &OwnedFd, name: &str) -> io::Result<Metadata> {
    File::from(openat(directory, name, WAY, Mode::empty())?).metadata()
}

/// Whether a path does not exist: no such name, or no directory (any more) on the way to it.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| {
        [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].contains(&Errno::from_raw_os_error(code))
    })
}

/// The names in a directory, sorted; those that are not UTF-8 separately, in printable form.
pub(crate) fn names(directory: &OwnedFd) -> io::Result<(Vec<String>, Vec<String>)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = openat(directory, ".", flags, Mode::empty())?;
    let (mut names, mut unusable) = (Vec::new(), Vec::new());
    for entry in rustix::fs::Dir::new(readable)? {
        let entry = entry?;
        match entry.file_name().to_str() {
            Ok("." | "..") => {}
            Ok(name) => names.push(name.to_owned()),
            Err(_) => unusable.push(entry.file_name().to_string_lossy().into_owned()),
        }
    }
    names.sort_unstable();
    unusable.sort_unstable();
    Ok((names, unusable))
}

/// The target of the symbolic link `name`.
pub(crate) fn read_link(directory: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(directory, name, Vec::new())?.into_bytes())
}

/// Removes a file or link; `DIRECTORY` for an empty directory.
pub(crate) fn remove(directory: &OwnedFd, name: &str, kind: AtFlags) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(directory, name, kind)?)
}
