//! Quotas of directory trees: how much a directory and all below it may hold. They nest; a file is paid for by
//! the innermost and all around it.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::layout::BLOCK;
use crate::record::{Ino, Kind, Reader, key, key_ino, tag};
use crate::volume::Volume;

/// Limits of a directory tree. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of stored blocks; holes are free.
    pub bytes: Option<u64>,
    /// Files, directories and links, the directory itself included.
    pub inodes: Option<u64>,
}

/// Limits of a directory tree and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Its limits.
    pub limits: Limits,
    /// Bytes of blocks.
    pub bytes: u64,
    /// Files, directories and links.
    pub inodes: u64,
}

#[derive(Debug, Default)]
struct Quota {
    around: u32,
    limits: Limits,
    blocks: u64,
    inodes: u64,
}

/// All quota trees by number; 0 is none.
#[derive(Debug, Default)]
pub(crate) struct Quotas(BTreeMap<u32, Quota>);

/// How deep quota trees nest.
const MAX_NESTED: usize = 32;

impl Quotas {
    pub(crate) fn load(&mut self, record_key: &[u8], value: &[u8]) -> Result<()> {
        let number = key_ino(record_key).and_then(|n| u32::try_from(n).ok()).ok_or(Error::Corrupt)?;
        let mut reader = Reader(value);
        let mut read = || Some((reader.u32()?, reader.u64()?, reader.u64()?));
        let (around, bytes, inodes) = read().ok_or(Error::Corrupt)?;
        let some = |limit| (limit != u64::MAX).then_some(limit);
        // Its use may have been counted already: inodes come before quotas.
        let quota = self.0.entry(number).or_default();
        quota.limits = Limits { bytes: some(bytes), inodes: some(inodes) };
        quota.around = around;
        let (blocks, inodes) = (quota.blocks as i64, quota.inodes as i64);
        // What was counted before the one around it was known.
        self.charge(around, blocks, inodes);
        Ok(())
    }

    fn encode(quota: &Quota) -> Vec<u8> {
        let mut out = quota.around.to_le_bytes().to_vec();
        out.extend_from_slice(&quota.limits.bytes.unwrap_or(u64::MAX).to_le_bytes());
        out.extend_from_slice(&quota.limits.inodes.unwrap_or(u64::MAX).to_le_bytes());
        out
    }

    /// Adds to, or takes from, what the tree and those around it hold.
    pub(crate) fn charge(&mut self, mut number: u32, blocks: i64, inodes: i64) {
        for _ in 0..MAX_NESTED {
            if number == 0 {
                return;
            }
            let quota = self.0.entry(number).or_default();
            quota.blocks = quota.blocks.saturating_add_signed(blocks);
            quota.inodes = quota.inodes.saturating_add_signed(inodes);
            number = quota.around;
        }
    }

    /// Forgets a tree that holds nothing any more. True if it was one.
    pub(crate) fn drop_empty(&mut self, number: u32) -> bool {
        let empty = self.0.get(&number).is_some_and(|quota| quota.inodes == 0);
        empty && self.0.remove(&number).is_some()
    }

    fn chain(&self, number: u32) -> impl Iterator<Item = &Quota> {
        let first = self.0.get(&number);
        std::iter::successors(first, |quota| self.0.get(&quota.around)).take(MAX_NESTED)
    }

    /// How many blocks more the tree may hold.
    pub(crate) fn blocks_left(&self, number: u32) -> u64 {
        let left = |quota: &Quota| Some((quota.limits.bytes? / BLOCK as u64).saturating_sub(quota.blocks));
        self.chain(number).filter_map(left).min().unwrap_or(u64::MAX)
    }

    /// How many inodes more the tree may hold.
    pub(crate) fn inodes_left(&self, number: u32) -> u64 {
        let left = |quota: &Quota| Some(quota.limits.inodes?.saturating_sub(quota.inodes));
        self.chain(number).filter_map(left).min().unwrap_or(u64::MAX)
    }
}

impl Volume {
    /// Limits what `dir` and all below it may hold. A tree that holds more already can only shrink.
    /// Afterwards links and renames of directories across its border fail with [`Error::CrossDevice`].
    pub fn set_quota(&mut self, dir: Ino, limits: Limits) -> Result<()> {
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

    /// A directory is the root of its quota tree if its parent belongs to another.
    fn is_quota_root(&mut self, dir: Ino, number: u32) -> Result<bool> {
        let parent = self.inode(dir)?.parent;
        Ok(parent == dir || self.inode(parent)?.quota != number)
    }

    /// Moves a directory and all below it that belonged to `from` into the tree `to`.
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
                // A quota tree within: it stays, and the new one is around it.
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
        volume.set_quota(dir, Limits { bytes: Some(1 << 20), inodes: None }).unwrap();
        let file = volume.create_file(dir, "file").unwrap();
        volume.retain(file).unwrap();
        volume.unlink(dir, "file").unwrap();
        volume.remove_dir(ROOT, "dir").unwrap();
        // The file is still open, and still counts.
        assert_eq!(volume.quota(file).unwrap().map(|quota| quota.inodes), Some(1));
        volume.release(file).unwrap();
        assert!(volume.quotas.0.is_empty());
        assert_eq!(volume.store.get(&key(tag::QUOTA, 1), |_| Some(())), Ok(None));
    }
}
