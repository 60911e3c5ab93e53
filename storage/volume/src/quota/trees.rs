//! Directories of a volume as quota trees: setting a quota, and moving what lies below it into it.

use super::{MAX_NESTED, Quota, QuotaLimits, QuotaUse, Quotas};
use crate::error::{Error, Result};
use crate::layout::BLOCK;
use crate::record::{Ino, Kind, key, tag};
use crate::volume::Volume;

impl Volume {
    /// Limits `dir` and everything below it. A tree that already exceeds its limit can only shrink.
    /// Afterwards links and renames of directories across its border fail with [`Error::CrossDevice`].
    pub fn set_quota(&mut self, dir: Ino, limits: QuotaLimits) -> Result<()> {
        self.begin()?;
        let (kind, present) = self.inode(dir).map(|inode| (inode.kind, inode.quota))?;
        if kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        self.need_meta(64)?;
        let own = self.store.get(&key(tag::QUOTA, u64::from(present)), |_| Some(()))?.is_some()
            && self.is_quota_root(dir, present)?;
        let number = if own {
            if self.quotas.0.get(&present).is_some_and(|quota| quota.limits == limits) {
                return Ok(());
            }
            present
        } else {
            let number = self.quotas.0.last_key_value().map_or(1, |(last, _)| last + 1);
            if self.quotas.chain(present).count() >= MAX_NESTED - 1 {
                return Err(Error::Invalid);
            }
            self.quotas.0.insert(number, Quota { around: present, ..Quota::default() });
            let adopted = self.adopt(dir, present, number);
            self.note(adopted)?;
            number
        };
        let Some(quota) = self.quotas.0.get_mut(&number) else { return Err(Error::Corrupt) };
        quota.limits = limits;
        let value = Quotas::encode(quota);
        let stored = self.store.put(&key(tag::QUOTA, u64::from(number)), &value);
        self.note(stored)
    }

    /// The limits and the use of the innermost quota tree around `ino`.
    pub fn quota(&mut self, ino: Ino) -> Result<Option<QuotaUse>> {
        let number = self.inode(ino)?.quota;
        Ok(self.quotas.0.get(&number).map(|quota| QuotaUse {
            limits: quota.limits,
            bytes: quota.blocks * BLOCK as u64,
            inodes: quota.inodes,
        }))
    }

    /// Whether a directory is the root of its quota tree, that is, its parent belongs to another one.
    fn is_quota_root(&mut self, dir: Ino, number: u32) -> Result<bool> {
        let parent = self.inode(dir)?.parent;
        Ok(parent == dir || self.inode(parent)?.quota != number)
    }

    /// Moves a directory and everything below it that belonged to `from` into the tree `to`.
    fn adopt(&mut self, dir: Ino, from: u32, to: u32) -> Result<()> {
        let mut waiting = vec![dir];
        while let Some(ino) = waiting.pop() {
            self.trim_inodes()?;
            let inode = self.inode(ino)?.clone();
            if inode.quota == from {
                self.quotas.charge(from, -(inode.blocks as i64), -1);
                self.quotas.charge(to, inode.blocks as i64, 1);
                self.inode_mut(ino)?.quota = to;
            } else if inode.quota != to
                && let Some(inner) = self.quotas.0.get_mut(&inode.quota)
            {
                // A nested quota tree: it stays, and the new one encloses it.
                if inner.around == from {
                    inner.around = to;
                    let (value, blocks, inodes) =
                        (Quotas::encode(inner), inner.blocks as i64, inner.inodes as i64);
                    self.quotas.charge(to, blocks, inodes);
                    self.quotas.charge(from, -blocks, -inodes);
                    self.store.put(&key(tag::QUOTA, u64::from(inode.quota)), &value)?;
                }
                continue;
            }
            if inode.kind == Kind::Directory {
                let mut cookie = 0;
                loop {
                    let page = self.read_dir(ino, cookie, 64)?;
                    let Some(last) = page.last() else { break };
                    cookie = last.entry.cookie;
                    waiting.extend(page.iter().map(|listed| listed.entry.ino));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{BlockDevice, MemDevice, Options, ROOT};

    #[test]
    fn a_tree_goes_with_the_last_of_what_it_held() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(8 << 20));
        Volume::format(&device, Default::default(), 0).unwrap();
        let mut volume = Volume::open(device, Options::default()).unwrap();
        let dir = volume.create_dir(ROOT, "dir").unwrap();
        volume.set_quota(dir, QuotaLimits { bytes: Some(1 << 20), inodes: None }).unwrap();
        let file = volume.create_file(dir, "file").unwrap();
        volume.retain(file).unwrap();
        volume.unlink(dir, "file").unwrap();
        volume.remove_dir(ROOT, "dir").unwrap();
        // The file is still open, and still counted.
        assert_eq!(volume.quota(file).unwrap().map(|quota| quota.inodes), Some(1));
        volume.release(file).unwrap();
        assert!(volume.quotas.0.is_empty());
        assert_eq!(volume.store.get(&key(tag::QUOTA, 1), |_| Some(())), Ok(None));
    }
}
