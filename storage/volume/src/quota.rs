//! Quotas of directory trees: limits on a directory and everything below it. They nest; a file is charged to
//! the innermost tree and all enclosing ones.

mod trees;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::layout::BLOCK;
use crate::record::{Reader, key_ino};

/// Limits of a directory tree. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Bytes of stored blocks; holes are free.
    pub bytes: Option<u64>,
    /// Files, directories and links, the directory itself included.
    pub inodes: Option<u64>,
}

/// Limits and usage of a directory tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Its limits.
    pub limits: QuotaLimits,
    /// Bytes of blocks.
    pub bytes: u64,
    /// Files, directories and links.
    pub inodes: u64,
}

#[derive(Debug, Default)]
struct Quota {
    around: u32,
    limits: QuotaLimits,
    blocks: u64,
    inodes: u64,
}

/// All quota trees by number; 0 is none.
#[derive(Debug, Default)]
pub(crate) struct Quotas(BTreeMap<u32, Quota>);

/// Maximum nesting depth of quota trees.
const MAX_NESTED: usize = 32;

impl Quotas {
    pub(crate) fn load(&mut self, record_key: &[u8], value: &[u8]) -> Result<()> {
        let number = key_ino(record_key).and_then(|n| u32::try_from(n).ok()).ok_or(Error::Corrupt)?;
        let mut reader = Reader(value);
        let mut read = || Some((reader.u32()?, reader.u64()?, reader.u64()?));
        let (around, bytes, inodes) = read().ok_or(Error::Corrupt)?;
        let some = |limit| (limit != u64::MAX).then_some(limit);
        // Its usage may have been counted already: inodes come before quotas.
        let quota = self.0.entry(number).or_default();
        quota.limits = QuotaLimits { bytes: some(bytes), inodes: some(inodes) };
        quota.around = around;
        let (blocks, inodes) = (quota.blocks as i64, quota.inodes as i64);
        // Counted before the enclosing tree was known.
        self.charge(around, blocks, inodes);
        Ok(())
    }

    fn encode(quota: &Quota) -> Vec<u8> {
        let mut out = quota.around.to_le_bytes().to_vec();
        out.extend_from_slice(&quota.limits.bytes.unwrap_or(u64::MAX).to_le_bytes());
        out.extend_from_slice(&quota.limits.inodes.unwrap_or(u64::MAX).to_le_bytes());
        out
    }

    /// Adds to, or subtracts from, the usage of the tree and its enclosing trees.
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

    /// Removes a tree that holds nothing any more. True if it was one.
    pub(crate) fn drop_empty(&mut self, number: u32) -> bool {
        let empty = self.0.get(&number).is_some_and(|quota| quota.inodes == 0);
        empty && self.0.remove(&number).is_some()
    }

    fn chain(&self, number: u32) -> impl Iterator<Item = &Quota> {
        let first = self.0.get(&number);
        std::iter::successors(first, |quota| self.0.get(&quota.around)).take(MAX_NESTED)
    }

    /// Number of blocks that the tree may still add.
    pub(crate) fn blocks_left(&self, number: u32) -> u64 {
        let left = |quota: &Quota| Some((quota.limits.bytes? / BLOCK as u64).saturating_sub(quota.blocks));
        self.chain(number).filter_map(left).min().unwrap_or(u64::MAX)
    }

    /// Number of inodes that the tree may still add.
    pub(crate) fn inodes_left(&self, number: u32) -> u64 {
        let left = |quota: &Quota| Some(quota.limits.inodes?.saturating_sub(quota.inodes));
        self.chain(number).filter_map(left).min().unwrap_or(u64::MAX)
    }
}
