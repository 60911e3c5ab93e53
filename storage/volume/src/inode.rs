//! Operations on inodes: attributes, and keeping one alive while it is open.

use crate::error::{Error, Result};
use crate::layout::BLOCK;
use crate::record::{Ino, Kind, key, tag};
use crate::volume::Volume;

/// The attributes returned by `stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Identifies the volume.
    pub device: u64,
    /// Identifies the file within the volume; never reused.
    pub ino: Ino,
    /// The kind of the inode.
    pub kind: Kind,
    /// Number of names; for a directory two, plus one for each directory in it.
    pub links: u32,
    /// Bytes of a file or of a link's target; entries of a directory.
    pub size: u64,
    /// Bytes of storage in use.
    pub stored_bytes: u64,
    /// Time of creation, or the access time as set. Reading does not change it.
    pub accessed_ns: u64,
    /// Time of the last content change.
    pub modified_ns: u64,
    /// Time of the last change of any kind.
    pub changed_ns: u64,
}

/// A change to a time stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetTime {
    /// Leaves it unchanged.
    #[default]
    Keep,
    /// Sets it to the volume's clock.
    Now,
    /// Sets it to nanoseconds since 1970.
    To(u64),
}

impl Volume {
    /// The attributes of an inode.
    pub fn stat(&mut self, ino: Ino) -> Result<Attributes> {
        let device = self.geometry.id;
        let inode = self.inode(ino)?;
        Ok(Attributes {
            device,
            ino,
            kind: inode.kind,
            links: inode.links,
            size: inode.size,
            stored_bytes: inode.blocks * BLOCK as u64,
            accessed_ns: inode.accessed_ns,
            modified_ns: inode.modified_ns,
            changed_ns: inode.changed_ns,
        })
    }

    /// Bytes of a file or of a link's target; entries of a directory.
    pub fn size(&mut self, ino: Ino) -> Result<u64> {
        Ok(self.inode(ino)?.size)
    }

    /// Sets access and modification time.
    pub fn set_times(&mut self, ino: Ino, accessed: SetTime, modified: SetTime) -> Result<()> {
        self.begin()?;
        let now_ns = self.now_ns();
        let inode = self.inode_mut(ino)?;
        for (set, field) in [(accessed, &mut inode.accessed_ns), (modified, &mut inode.modified_ns)] {
            match set {
                SetTime::Keep => {}
                SetTime::Now => *field = now_ns,
                SetTime::To(ns) => *field = ns,
            }
        }
        inode.changed_ns = now_ns;
        Ok(())
    }

    /// The target of a symbolic link.
    pub fn read_link(&mut self, ino: Ino) -> Result<String> {
        if self.inode(ino)?.kind != Kind::Symlink {
            return Err(Error::Invalid);
        }
        let decode = |value: &[u8]| String::from_utf8(value.to_vec()).ok();
        self.store.get(&key(tag::TARGET, ino), decode)?.ok_or(Error::Corrupt)
    }

    /// Keeps an inode alive, even without a name, until the matching call of [`Volume::release`].
    pub fn retain(&mut self, ino: Ino) -> Result<()> {
        self.inode(ino)?;
        *self.opens.entry(ino).or_insert(0) += 1;
        Ok(())
    }

    /// Ends one [`Volume::retain`]. With the last one, an inode without a name is removed.
    pub fn release(&mut self, ino: Ino) -> Result<()> {
        let Some(count) = self.opens.get_mut(&ino) else { return Err(Error::Invalid) };
        *count -= 1;
        if *count > 0 {
            return Ok(());
        }
        self.opens.remove(&ino);
        if self.inode(ino)?.links > 0 {
            return Ok(());
        }
        self.begin()?;
        let reclaimed = self.reclaim_orphan(ino);
        self.note(reclaimed)
    }
}
