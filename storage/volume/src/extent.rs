//! File sizes, and which of a file's blocks exist.

use std::ops::{ControlFlow, Range};

use crate::data::MAX_FILE_BYTES;
use crate::error::{Error, Result};
use crate::layout::BLOCK64;
use crate::map::{GROUP, GROUP_BYTES, Group, Mapping};
use crate::record::{Ino, key2, tag};
use crate::volume::Volume;

impl Volume {
    /// Truncates the file or extends it with zeros.
    pub fn set_size(&mut self, ino: Ino, size: u64) -> Result<()> {
        self.begin()?;
        let present = self.writable_file(ino)?;
        if size > MAX_FILE_BYTES {
            return Err(Error::TooBig);
        }
        if size < present {
            // The truncated part must read as zero when the file grows again.
            let (index, start) = (size / BLOCK64, (size % BLOCK64) as usize);
            if start != 0 {
                let needs_room = !self.cache.borrow_mut().is_dirty(ino, index)
                    && self.blocks.free() as usize <= self.cache.borrow_mut().dirty_count();
                if needs_room {
                    self.commit()?;
                }
                self.load(ino, index)?;
                if self.cache.borrow_mut().contains(ino, index) {
                    self.cache.borrow_mut().change(ino, index)[start..].fill(0);
                }
            }
            let cut = self.cut(ino, size.div_ceil(BLOCK64));
            self.note(cut)?;
        }
        let now_ns = self.now_ns();
        let inode = self.inode_mut(ino)?;
        inode.size = size;
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
        Ok(())
    }

    /// Frees all blocks of a file from `index` on.
    pub(crate) fn cut(&mut self, ino: Ino, index: u64) -> Result<()> {
        /// Records processed at once, so that a large file does not need much memory.
        const BATCH: usize = 256;
        let unstored = self.cache.borrow_mut().dirty_within(ino, index..u64::MAX);
        let mut freed = unstored.len() as u64;
        if let Some(group) = self.sole_group(ino)? {
            freed += self.cut_group(ino, 0, group, index)?;
        } else {
            let mut number = index / GROUP;
            loop {
                let mut batch: Vec<(u64, Group)> = Vec::new();
                let (start, end) = (key2(tag::MAP, ino, number), key2(tag::MAP, ino, u64::MAX));
                self.store.scan(&start, &end, |key, value| {
                    let (_, number) = crate::record::split_key2(key).ok_or(Error::Corrupt)?;
                    batch.push((number, Group::decode(value).ok_or(Error::Corrupt)?));
                    Ok(if batch.len() < BATCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
                })?;
                let Some((highest, _)) = batch.last() else { break };
                number = highest + 1;
                for (number, group) in batch {
                    freed += self.cut_group(ino, number, group, index)?;
                }
            }
        }
        self.cache.borrow_mut().cut(ino, index);
        let inode = self.inode_mut(ino)?;
        inode.blocks = inode.blocks.saturating_sub(freed);
        let quota = inode.quota;
        self.quotas.charge(quota, -(freed as i64), 0);
        Ok(())
    }

    /// The first group of a file, if it contains all of the file's blocks, as with small files; then no search is needed.
    fn sole_group(&mut self, ino: Ino) -> Result<Option<Group>> {
        let blocks = self.inode(ino)?.blocks;
        if blocks > GROUP {
            return Ok(None);
        }
        let group = if blocks == 0 { Group::default() } else { self.group(ino, 0)? };
        let stored = group.0.iter().filter(|mapping| !mapping.is_hole()).count();
        let unstored = self.cache.borrow_mut().dirty_within(ino, 0..GROUP);
        let unstored = unstored.iter().filter(|index| group.get(**index).is_hole()).count();
        Ok((blocks == (stored + unstored) as u64).then_some(group))
    }

    /// Frees the blocks of one group from `index` on. Returns how many of them were not waiting to be rewritten.
    fn cut_group(&mut self, ino: Ino, number: u64, mut group: Group, index: u64) -> Result<u64> {
        let (mut freed, mut is_changed) = (0, false);
        for i in index.max(number * GROUP)..(number + 1) * GROUP {
            let mapping = group.get(i);
            if !mapping.is_hole() {
                self.blocks.release(mapping.block);
                freed += u64::from(!self.cache.borrow_mut().is_dirty(ino, i));
                group.set(i, Mapping::default());
                is_changed = true;
            }
        }
        if is_changed {
            self.put_group(ino, number, &group)?;
        }
        Ok(freed)
    }

    /// The next range at or after `offset` that is stored rather than a hole, within one record: call again from its
    /// end. `None` if only a hole, or the end of the file, follows.
    pub fn next_data(&mut self, ino: Ino, offset: u64) -> Result<Option<Range<u64>>> {
        let size = self.writable_file(ino)?;
        let first = offset / BLOCK64;
        let mut begin = self.cache.borrow_mut().dirty_within(ino, first..u64::MAX).first().copied();
        let until = begin.unwrap_or(u64::MAX);
        self.store.scan(
            &key2(tag::MAP, ino, first / GROUP),
            &key2(tag::MAP, ino, u64::MAX),
            |key, value| {
                let (_, number) = crate::record::split_key2(key).ok_or(Error::Corrupt)?;
                let group = Group::decode(value).ok_or(Error::Corrupt)?;
                let indices =
                    first.max(number.saturating_mul(GROUP))..number.saturating_add(1).saturating_mul(GROUP);
                let stored = indices.clone().find(|index| !group.get(*index).is_hole());
                begin = stored.into_iter().chain(begin).min();
                Ok(if stored.is_some() || indices.end > until {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            },
        )?;
        let Some(begin) = begin else { return Ok(None) };
        let group = self.group(ino, begin / GROUP)?;
        let is_stored =
            |index: u64| !group.get(index).is_hole() || self.cache.borrow_mut().is_dirty(ino, index);
        let end = (begin + 1..(begin / GROUP + 1) * GROUP).find(|index| !is_stored(*index));
        let end = end.unwrap_or((begin / GROUP + 1) * GROUP);
        let data = offset.max(begin * BLOCK64)..size.min(end * BLOCK64);
        Ok((!data.is_empty()).then_some(data))
    }

    pub(crate) fn put_group(&mut self, ino: Ino, number: u64, group: &Group) -> Result<()> {
        let key = key2(tag::MAP, ino, number);
        match group.encode() {
            Some(value) => self.store.put(&key, &value),
            None => self.store.remove(&key),
        }
    }

    /// Ensures that `offset..offset + len` is within the file and has blocks, so that writes there do not run
    /// out of space. If there is not enough space for all of it, nothing is changed.
    pub fn allocate(&mut self, ino: Ino, offset: u64, len: u64) -> Result<()> {
        self.begin()?;
        self.writable_file(ino)?;
        let end = offset.checked_add(len).filter(|end| *end <= MAX_FILE_BYTES).ok_or(Error::TooBig)?;
        if len == 0 {
            return Err(Error::Invalid);
        }
        let (first, last) = (offset / BLOCK64, (end - 1) / BLOCK64);
        // Checked first, because an impossible request need not count holes one by one.
        let at_least = (last - first + 1).saturating_sub(self.inode(ino)?.blocks);
        self.check_quota(ino, at_least)?;
        if at_least > u64::from(self.blocks.free_after_commit()) {
            return Err(Error::NoSpace);
        }
        let mut added = 0;
        for number in first / GROUP..=last / GROUP {
            added += self.holes(ino, number, first, last)?.len() as u64;
        }
        self.check_quota(ino, added)?;
        let needed = added + u64::from(self.reserve());
        self.need_meta((last / GROUP - first / GROUP + 1) * GROUP_BYTES)?;
        let lacks = |volume: &Self| {
            u64::from(volume.blocks.free()).saturating_sub(volume.cache.borrow_mut().dirty_count() as u64)
                < needed
        };
        if lacks(self) {
            self.commit()?;
            if lacks(self) {
                return Err(Error::NoSpace);
            }
        }
        for number in first / GROUP..=last / GROUP {
            // An error leaves unrequested blocks allocated, but no inconsistency.
            let filled = self.fill(ino, number, first, last)?;
            self.add_blocks(ino, filled)?;
        }
        self.grown(ino, 0, end)
    }

    fn check_quota(&mut self, ino: Ino, added: u64) -> Result<()> {
        let quota = self.inode(ino)?.quota;
        if added > self.quotas.blocks_left(quota) { Err(Error::Quota) } else { Ok(()) }
    }

    /// Blocks of one group, from `first` to `last`, that are neither stored nor dirty.
    fn holes(&self, ino: Ino, number: u64, first: u64, last: u64) -> Result<Vec<u64>> {
        let group = self.group(ino, number)?;
        let indices = first.max(number * GROUP)..=last.min(number * GROUP + GROUP - 1);
        let is_hole =
            |index: &u64| group.get(*index).is_hole() && !self.cache.borrow_mut().is_dirty(ino, *index);
        Ok(indices.filter(is_hole).collect())
    }

    /// Fills them with blocks of zeros. Returns their number.
    fn fill(&mut self, ino: Ino, number: u64, first: u64, last: u64) -> Result<u64> {
        if self.cache.borrow_mut().wants_flush() {
            self.flush_blocks()?;
        }
        let holes = self.holes(ino, number, first, last)?;
        for index in &holes {
            self.cache.borrow_mut().change(ino, *index);
        }
        Ok(holes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{BlockDevice, MemDevice, Options, ROOT};

    /// All stored ranges, with neighbours merged.
    fn data(volume: &mut Volume, ino: Ino) -> Vec<Range<u64>> {
        let mut found: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        while let Some(range) = volume.next_data(ino, at).unwrap() {
            assert!(range.start >= at && range.end > range.start);
            at = range.end;
            match found.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => found.push(range),
            }
        }
        found
    }

    #[test]
    fn holes_are_told_from_data() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(64 << 20));
        Volume::format(&device, Default::default(), 0).unwrap();
        let mut volume = Volume::open(device.clone(), Options::default()).unwrap();
        let ino = volume.create_file(ROOT, "sparse").unwrap();
        assert_eq!(data(&mut volume, ino), []);
        volume.set_size(ino, 3 << 30).unwrap();
        assert_eq!(data(&mut volume, ino), []);
        volume.write(ino, 5 * BLOCK64 + 7, b"x").unwrap();
        volume.write(ino, (1 << 30) - 1, &[1; 2]).unwrap();
        volume.write(ino, (3 << 30) - 1, &[1; 100]).unwrap();
        let wanted = [
            5 * BLOCK64..6 * BLOCK64,
            (1 << 30) - BLOCK64..(1 << 30) + BLOCK64,
            (3 << 30) - BLOCK64..(3 << 30) + 99,
        ];
        assert_eq!(data(&mut volume, ino), wanted);
        volume.sync().unwrap();
        assert_eq!(data(&mut volume, ino), wanted);
        // Some are stored, some dirty.
        volume.write(ino, 6 * BLOCK64, b"y").unwrap();
        volume.write(ino, 4 * BLOCK64, b"y").unwrap();
        volume.set_size(ino, (1 << 30) + 1).unwrap();
        assert_eq!(data(&mut volume, ino), [4 * BLOCK64..7 * BLOCK64, (1 << 30) - BLOCK64..(1 << 30) + 1]);
        assert_eq!(volume.next_data(ino, 5 * BLOCK64 + 9).unwrap(), Some(5 * BLOCK64 + 9..7 * BLOCK64));
        assert!(volume.next_data(ROOT, 0).is_err());
    }
}
