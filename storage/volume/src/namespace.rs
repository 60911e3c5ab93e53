//! Namespaces: a directory and everything below it, with its holder's rights.

use bitflags::bitflags;

use crate::error::{Error, Result};
use crate::inode::{Attributes, SetTime};
use crate::path::{Last, Place, walk};
use crate::record::{Entry, Ino, Kind, ROOT};
use crate::volume::{Mode, Volume};

bitflags! {
    /// The rights of a namespace's holder. A namespace derived from another has no more than that one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Rights: u32 {
        /// Read names, attributes and content.
        const READ = 1;
        /// Change content, size and times of existing objects.
        const WRITE = 2;
        /// Create, remove, link and rename.
        const MODIFY = 4;
    }

    /// Flags for opening.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct OpenFlags: u32 {
        /// Open for reading.
        const READ = 1;
        /// Open for writing.
        const WRITE = 2;
        /// Create the file if it does not exist.
        const CREATE = 4;
        /// With `CREATE`: fail if it exists.
        const EXCLUSIVE = 8;
        /// Truncate the file.
        const TRUNCATE = 16;
        /// Fail unless it is a directory.
        const DIRECTORY = 32;
        /// Allow setting its times even if it is not opened for writing. Ignored if the namespace lacks that
        /// right.
        const TIMES = 64;
    }
}

/// A directory as the root of all paths, with rights. It keeps its directory alive until it is closed.
#[derive(Debug)]
pub struct Namespace {
    root: Ino,
    rights: Rights,
}

/// An opened inode. It stays alive until [`Volume::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The inode.
    pub ino: Ino,
    /// File or directory.
    pub kind: Kind,
}

impl Namespace {
    /// The whole volume, with all rights.
    pub fn root(volume: &mut Volume) -> Result<Self> {
        volume.retain(ROOT)?;
        Ok(Self { root: ROOT, rights: Rights::all() })
    }

    /// A namespace below this one, with the intersection of `rights` and its own.
    pub fn sub(&self, volume: &mut Volume, path: &[u8], rights: Rights) -> Result<Self> {
        let found = self.find(volume, path, Last::Follow)?;
        if found.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        volume.retain(found.ino)?;
        Ok(Self { root: found.ino, rights: rights & self.rights })
    }

    /// A namespace of an opened directory, which it takes over, with `rights`.
    pub fn from_opened(opened: Opened, rights: Rights) -> Self {
        Self { root: opened.ino, rights }
    }

    /// Ends the namespace.
    pub fn close(self, volume: &mut Volume) -> Result<()> {
        volume.release(self.root)
    }

    /// The rights of its holder.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Its directory.
    pub fn ino(&self) -> Ino {
        self.root
    }

    /// Checks that the holder has `rights`.
    pub fn need(&self, rights: Rights) -> Result<()> {
        if self.rights.contains(rights) { Ok(()) } else { Err(Error::NotCapable) }
    }

    /// The inode at a path.
    fn find(&self, volume: &mut Volume, path: &[u8], last: Last) -> Result<Opened> {
        match walk(volume, self.root, path, last)? {
            Place { name: None, dir, .. } => Ok(Opened { ino: dir, kind: Kind::Directory }),
            Place { entry: None, .. } => Err(Error::NotFound),
            Place { entry: Some(entry), slash, .. } if slash && entry.kind != Kind::Directory => {
                Err(Error::NotDirectory)
            }
            Place { entry: Some(entry), .. } => Ok(Opened { ino: entry.ino, kind: entry.kind }),
        }
    }

    /// Opens the object at `path` according to `flags`. With [`Last::Stay`] a symbolic link at the end is
    /// [`Error::Loop`].
    pub fn open(&self, volume: &mut Volume, path: &[u8], last: Last, flags: OpenFlags) -> Result<Opened> {
        if flags.contains(OpenFlags::READ) {
            self.need(Rights::READ)?;
        }
        let writes = flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE);
        if writes {
            self.need(Rights::WRITE)?;
        }
        if flags.contains(OpenFlags::CREATE | OpenFlags::DIRECTORY) {
            return Err(Error::Invalid);
        }
        let exclusive = flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
        let place = walk(volume, self.root, path, if exclusive { Last::Name } else { last })?;
        let opened = match place {
            Place { name: None, .. } | Place { entry: Some(_), .. } if exclusive => {
                return Err(Error::Exists);
            }
            Place { name: None, dir, .. } => Opened { ino: dir, kind: Kind::Directory },
            Place { name: Some(name), entry: None, dir, slash } => {
                if !flags.contains(OpenFlags::CREATE) {
                    return Err(Error::NotFound);
                }
                if slash {
                    return Err(Error::IsDirectory);
                }
                self.need(Rights::MODIFY)?;
                Opened { ino: volume.create_file(dir, &name)?, kind: Kind::File }
            }
            Place { entry: Some(Entry { ino, kind, .. }), slash, .. } => {
                let must_be_directory = slash || flags.contains(OpenFlags::DIRECTORY);
                match kind {
                    Kind::Directory => {}
                    Kind::File | Kind::Symlink if must_be_directory => return Err(Error::NotDirectory),
                    Kind::Symlink => return Err(Error::Loop),
                    Kind::File => {}
                }
                Opened { ino, kind }
            }
        };
        if opened.kind == Kind::Directory && (writes || flags.contains(OpenFlags::CREATE)) {
            return Err(Error::IsDirectory);
        }
        if writes && volume.mode() == Mode::ReadOnly {
            return Err(Error::ReadOnly);
        }
        if flags.contains(OpenFlags::TRUNCATE) {
            volume.set_size(opened.ino, 0)?;
        }
        volume.retain(opened.ino)?;
        Ok(opened)
    }

    /// Attributes of the object at `path`.
    pub fn stat(&self, volume: &mut Volume, path: &[u8], last: Last) -> Result<Attributes> {
        self.need(Rights::READ)?;
        let found = self.find(volume, path, last)?;
        volume.stat(found.ino)
    }

    /// Sets the times of the object at `path`.
    pub fn set_times(
        &self,
        volume: &mut Volume,
        path: &[u8],
        last: Last,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<()> {
        self.need(Rights::WRITE)?;
        let found = self.find(volume, path, last)?;
        volume.set_times(found.ino, accessed, modified)
    }

    /// The target of the symbolic link at `path`.
    pub fn read_link(&self, volume: &mut Volume, path: &[u8]) -> Result<String> {
        self.need(Rights::READ)?;
        let found = self.find(volume, path, Last::Stay)?;
        volume.read_link(found.ino)
    }

    /// Creates a directory.
    pub fn create_dir(&self, volume: &mut Volume, path: &[u8]) -> Result<Ino> {
        self.need(Rights::MODIFY)?;
        match walk(volume, self.root, path, Last::Name)? {
            Place { name: Some(name), entry: None, dir, .. } => volume.create_dir(dir, &name),
            _ => Err(Error::Exists),
        }
    }

    /// Creates a symbolic link. An absolute target, which no path could follow, is [`Error::NotPermitted`].
    pub fn create_symlink(&self, volume: &mut Volume, target: &[u8], path: &[u8]) -> Result<Ino> {
        self.need(Rights::MODIFY)?;
        let target = std::str::from_utf8(target).map_err(|_| Error::NotUtf8)?;
        if target.is_empty() {
            return Err(Error::NotFound);
        }
        if target.starts_with('/') {
            return Err(Error::NotPermitted);
        }
        match walk(volume, self.root, path, Last::Name)? {
            Place { name: Some(_), entry: None, slash: true, .. } => Err(Error::NotFound),
            Place { entry: Some(entry), slash: true, .. } if entry.kind != Kind::Directory => {
                Err(Error::NotDirectory)
            }
            Place { name: Some(name), entry: None, dir, .. } => volume.create_symlink(dir, &name, target),
            _ => Err(Error::Exists),
        }
    }

    /// Removes a file or symbolic link.
    pub fn unlink(&self, volume: &mut Volume, path: &[u8]) -> Result<()> {
        self.need(Rights::MODIFY)?;
        match walk(volume, self.root, path, Last::Name)? {
            Place { name: None, .. } => Err(Error::IsDirectory),
            Place { entry: Some(entry), slash: true, .. } if entry.kind != Kind::Directory => {
                Err(Error::NotDirectory)
            }
            Place { name: Some(name), dir, .. } => volume.unlink(dir, &name),
        }
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, volume: &mut Volume, path: &[u8]) -> Result<()> {
        self.need(Rights::MODIFY)?;
        match walk(volume, self.root, path, Last::Name)? {
            // `.` and `..` cannot be removed, whatever they refer to.
            Place { name: None, .. } => Err(Error::Invalid),
            Place { name: Some(name), dir, .. } => volume.remove_dir(dir, &name),
        }
    }

    /// Renames, within this namespace or into another one of the same volume. See [`Volume::rename`].
    pub fn rename(&self, volume: &mut Volume, path: &[u8], to: &Self, new_path: &[u8]) -> Result<()> {
        self.need(Rights::MODIFY)?;
        to.need(Rights::MODIFY)?;
        // The target namespace must not allow more for the new name than this one does for the old.
        self.need(to.rights)?;
        let from = walk(volume, self.root, path, Last::Name)?;
        let target = walk(volume, to.root, new_path, Last::Name)?;
        let (Some(name), Some(new_name)) = (from.name, target.name) else { return Err(Error::Busy) };
        let entry = from.entry.ok_or(Error::NotFound)?;
        if (from.slash || target.slash) && entry.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        volume.rename(from.dir, &name, target.dir, &new_name)
    }

    /// Creates a hard link at `new_path` in `to` to the object at `path`.
    pub fn link(
        &self,
        volume: &mut Volume,
        path: &[u8],
        last: Last,
        to: &Self,
        new_path: &[u8],
    ) -> Result<()> {
        // The target namespace must not allow more through the link than this one does.
        self.need(to.rights)?;
        to.need(Rights::MODIFY)?;
        let found = self.find(volume, path, last)?;
        match walk(volume, to.root, new_path, Last::Name)? {
            Place { name: Some(_), entry: None, slash: true, .. } => Err(Error::NotFound),
            Place { entry: Some(entry), slash: true, .. } if entry.kind != Kind::Directory => {
                Err(Error::NotDirectory)
            }
            Place { name: Some(name), entry: None, dir, .. } => volume.link(found.ino, dir, &name),
            _ => Err(Error::Exists),
        }
    }
}
