//! The content of a host folder, and the part of it that a volume can hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};

use crate::host::{self, HostFolder};
use crate::links::{Links, Through, leads_out};
use crate::list::check_depth;
use crate::need::Need;

/// A scanned folder. Entries are reopened by descriptor, so nothing outside is ever read.
#[derive(Debug)]
pub struct Source {
    pub(crate) folder: HostFolder,
    /// Sorted by path: a directory comes before its entries.
    pub(crate) found: BTreeMap<String, Found>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) links: Links,
}

/// An entry that a volume can hold.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) meta: Metadata,
    /// The target of a symbolic link.
    pub(crate) target: Option<String>,
}

/// An entry left out, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path, relative to the folder.
    pub path: String,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.reason)
    }
}

/// Kernel file systems: `proc`, `sysfs`, and two for control groups.
const KERNEL_FILE_SYSTEMS: [u64; 4] = [0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270];

impl Source {
    /// Scans everything below `folder`.
    pub fn scan(folder: &Path, links: Links) -> Result<Self> {
        let folder = HostFolder::open(folder)?;
        let mut source = Self { folder, found: BTreeMap::new(), left_out: Vec::new(), links };
        let root = source.folder.directory("").with_context(|| source.folder.path().display().to_string())?;
        source.walk(&root, "").with_context(|| source.folder.path().display().to_string())?;
        if links == Links::Inside {
            source.leave_out_links();
        }
        Ok(source)
    }

    /// The folder's path.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The entries left out, sorted by path.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The room that its entries need in a volume.
    pub(crate) fn need(&self) -> Need {
        Need::of(self.found.iter().map(|(path, found)| (path.as_str(), &found.meta)))
    }

    /// Bytes of storage of its files, each counted once.
    pub fn data_bytes(&self) -> u64 {
        self.need().data_bytes()
    }

    /// The size of a device for the folder's content and a total of `room` bytes of files.
    pub fn device_bytes(&self, room: u64) -> u64 {
        self.need().roomy_device_bytes(room)
    }

    /// The size of that device's metadata area.
    pub fn metadata_bytes(&self, room: u64) -> u64 {
        self.need().roomy_metadata_bytes(room)
    }

    fn leave(&mut self, path: &str, reason: impl fmt::Display) {
        self.left_out.push(LeftOut { path: path.to_owned(), reason: reason.to_string() });
    }

    fn walk(&mut self, directory: &OwnedFd, prefix: &str) -> Result<()> {
        let (names, unusable) = host::names(directory)?;
        for name in unusable {
            self.leave(&format!("{prefix}{name}"), "its name is not UTF-8");
        }
        for name in names {
            let path = format!("{prefix}{name}");
            check_depth(&path)?;
            match host::look(directory, &name) {
                Ok(meta) => self.take(directory, &name, path, meta)?,
                // Removed since the directory was read.
                Err(error) if host::is_absent(&error) => {}
                Err(error) => self.leave(&path, error),
            }
        }
        Ok(())
    }

    fn take(&mut self, directory: &OwnedFd, name: &str, path: String, meta: Metadata) -> Result<()> {
        if meta.is_dir() {
            return self.take_directory(directory, name, path, meta);
        }
        let target = if meta.is_symlink() {
            match host::read_link(directory, name).map(String::from_utf8) {
                Ok(Ok(target)) => Some(target),
                Ok(Err(_)) => {
                    self.leave(&path, "a symbolic link whose target is not UTF-8");
                    return Ok(());
                }
                Err(error) => {
                    self.leave(&path, error);
                    return Ok(());
                }
            }
        } else if meta.is_file() {
            None
        } else {
            self.leave(&path, "not a file, folder or symbolic link");
            return Ok(());
        };
        self.found.insert(path, Found { meta, target });
        Ok(())
    }

    fn take_directory(&mut self, parent: &OwnedFd, name: &str, path: String, meta: Metadata) -> Result<()> {
        use rustix::fs::{Mode, OFlags, fstatfs, openat};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match openat(parent, name, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(error) => {
                self.leave(&path, format_args!("unreadable folder: {error}"));
                return Ok(());
            }
        };
        let kind = fstatfs(&directory).map_or(0, |stat| stat.f_type as u64);
        if KERNEL_FILE_SYSTEMS.contains(&kind) {
            self.leave(&path, "a kernel file system");
            return Ok(());
        }
        let prefix = format!("{path}/");
        self.found.insert(path, Found { meta, target: None });
        self.walk(&directory, &prefix)
    }

    /// Leaves out links that lead out, and links that lead through those.
    fn leave_out_links(&mut self) {
        let mut out = BTreeSet::new();
        for (path, found) in &self.found {
            let mut link = |at: &str| self.found.get(at)?.target.clone().map(Through::To);
            if found.target.as_ref().is_some_and(|target| leads_out(path, target, &mut link)) {
                out.insert(path.clone());
            }
        }
        for path in out {
            if let Some(target) = self.found.remove(&path).and_then(|found| found.target) {
                self.leave(&path, format_args!("a symbolic link that leads out, to {target}"));
            }
        }
        self.left_out.sort_by(|one, other| one.path.cmp(&other.path));
    }
}
