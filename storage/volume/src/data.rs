//! Reading and writing files.

use crate::cache::{Block, zero_block};
use crate::error::{Error, Result};
use crate::layout::{BLOCK, BLOCK64};
use crate::map::{GROUP, GROUP_BYTES, Group, Mapping, block_sum};
use crate::record::{Ino, Kind, key2, tag};
use crate::volume::{Trust, Volume};

/// Maximum size of a file, in bytes: the limit of 32-bit block numbers.
pub const MAX_FILE_BYTES: u64 = 1 << 44;

/// Maximum length of one write; a longer one is shortened, so that each is applied whole or not at all.
pub const MAX_WRITE_BYTES: usize = 1 << 20;

/// The allocation that a write to a block needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// None: it is already dirty.
    Dirty,
    /// A new place until the commit.
    Stored,
    /// A new place permanently.
    Hole,
}

impl Volume {
    pub(crate) fn group(&self, ino: Ino, number: u64) -> Result<Group> {
        Ok(self.store.get(&key2(tag::MAP, ino, number), Group::decode)?.unwrap_or_default())
    }

    /// Reads up to `out.len()` bytes from `offset`; fewer at the end of the file. A block that fails its
    /// checksum is [`Error::Corrupt`]; the data before it has been read.
    pub fn read(&mut self, ino: Ino, offset: u64, out: &mut [u8]) -> Result<usize> {
        let size = self.writable_file(ino)?;
        self.cache.borrow_mut().remember_size(ino, size);
        let len = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let mut loaded: Option<(u64, Group)> = None;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let (index, start) = (at / BLOCK64, (at % BLOCK64) as usize);
            let part = (BLOCK - start).min(len - done);
            let target = &mut out[done..done + part];
            if let Some(data) = self.cache.borrow_mut().get(ino, index) {
                target.copy_from_slice(&data[start..start + part]);
                done += part;
                continue;
            }
            let group = match &mut loaded {
                Some((number, group)) if *number == index / GROUP => group,
                slot => &mut slot.insert((index / GROUP, self.group(ino, index / GROUP)?)).1,
            };
            let mapping = group.get(index);
            let result = if mapping.is_hole() {
                target.fill(0);
                Ok(part)
            } else if part == BLOCK {
                let group = group.clone();
                self.read_run(ino, index, &group, &mut out[done..len])
            } else {
                self.fetch(ino, index, mapping).map(|block| {
                    target.copy_from_slice(&block[start..start + part]);
                    self.cache.borrow_mut().insert_clean(ino, index, block);
                    part
                })
            };
            match result {
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        self.cache.borrow_mut().evict();
        Ok(done)
    }

    /// Reads whole blocks that are contiguous on the device directly into `out`.
    fn read_run(&mut self, ino: Ino, index: u64, group: &Group, out: &mut [u8]) -> Result<usize> {
        let first = group.get(index);
        let mut count = 1;
        let most = (out.len() / BLOCK).min((GROUP - index % GROUP) as usize);
        while count < most
            && group.get(index + count as u64).block == first.block.saturating_add(count as u32)
            && !self.cache.borrow_mut().contains(ino, index + count as u64)
        {
            count += 1;
        }
        let run = &mut out[..count * BLOCK];
        self.device.read_at(u64::from(first.block) * BLOCK64, run)?;
        for (i, data) in (index..).zip(run.chunks_exact(BLOCK)) {
            if !self.is_intact(ino, i, data, group.get(i)) {
                let good = (i - index) as usize * BLOCK;
                return if good > 0 { Ok(good) } else { Err(Error::Corrupt) };
            }
        }
        Ok(count * BLOCK)
    }

    /// Reads and verifies one stored block.
    fn fetch(&self, ino: Ino, index: u64, mapping: Mapping) -> Result<Block> {
        let mut block = zero_block();
        self.device.read_at(u64::from(mapping.block) * BLOCK64, &mut block[..])?;
        if self.is_intact(ino, index, &block[..], mapping) { Ok(block) } else { Err(Error::Corrupt) }
    }

    /// Whether a block's data matches its checksum.
    fn is_intact(&self, ino: Ino, index: u64, data: &[u8], mapping: Mapping) -> bool {
        self.trust == Trust::OwnMemory || block_sum(ino, index, data) == mapping.sum
    }

    /// Loads a stored block into the cache, so that part of it can be changed.
    pub(crate) fn load(&mut self, ino: Ino, index: u64) -> Result<()> {
        if self.cache.borrow_mut().contains(ino, index) {
            return Ok(());
        }
        let mapping = self.group(ino, index / GROUP)?.get(index);
        if !mapping.is_hole() {
            let block = self.fetch(ino, index, mapping)?;
            self.cache.borrow_mut().insert_clean(ino, index, block);
        }
        Ok(())
    }

    fn states(&self, ino: Ino, first: u64, last: u64) -> Result<Vec<State>> {
        let mut states = Vec::with_capacity((last - first + 1) as usize);
        // Fast path: small writes mostly hit a dirty block.
        let mut group: Option<(u64, Group)> = None;
        for index in first..=last {
            if self.cache.borrow_mut().is_dirty(ino, index) {
                states.push(State::Dirty);
                continue;
            }
            let mappings = match &mut group {
                Some((number, mappings)) if *number == index / GROUP => mappings,
                slot => &mut slot.insert((index / GROUP, self.group(ino, index / GROUP)?)).1,
            };
            states.push(if mappings.get(index).is_hole() { State::Hole } else { State::Stored });
        }
        Ok(states)
    }

    /// How many of the blocks from `first` to `last` can be written now, and their states. Commits if that
    /// frees blocks. At least one, or an error.
    fn admit(&mut self, ino: Ino, first: u64, last: u64) -> Result<Vec<State>> {
        let quota = self.inode(ino)?.quota;
        let may_commit = [true, false];
        let mut why = Error::NoSpace;
        for retry in may_commit {
            let mut states = self.states(ino, first, last)?;
            let free =
                u64::from(self.blocks.free()).saturating_sub(self.cache.borrow_mut().dirty_count() as u64);
            let reserve = u64::from(self.reserve());
            let quota_left = self.quotas.blocks_left(quota);
            let (mut taken, mut added, mut fit) = (0, 0, 0);
            for state in &states {
                match state {
                    State::Dirty => {}
                    State::Stored if taken < free => taken += 1,
                    State::Hole if added >= quota_left => {
                        why = Error::Quota;
                        break;
                    }
                    State::Hole if taken + 1 + reserve <= free => {
                        taken += 1;
                        added += 1;
                    }
                    State::Stored | State::Hole => {
                        why = Error::NoSpace;
                        break;
                    }
                }
                fit += 1;
            }
            let whole = fit == states.len();
            let gain = self.cache.borrow_mut().dirty_count() > 0
                || self.blocks.free() < self.blocks.free_after_commit();
            if whole || why == Error::Quota || !retry || !gain {
                states.truncate(fit);
                return if states.is_empty() { Err(why) } else { Ok(states) };
            }
            self.commit()?;
        }
        Err(why)
    }

    /// Writes at `offset`, extending the file as needed; a gap between its end and `offset` reads as zero.
    /// Returns the number of bytes written: fewer than given if space or quota runs out, or if the write is
    /// longer than [`MAX_WRITE_BYTES`].
    pub fn write(&mut self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        self.begin()?;
        self.writable_file(ino)?;
        if data.is_empty() {
            return Ok(0);
        }
        if offset >= MAX_FILE_BYTES {
            return Err(Error::TooBig);
        }
        let room = usize::try_from(MAX_FILE_BYTES - offset).unwrap_or(usize::MAX);
        let mut len = data.len().min(MAX_WRITE_BYTES).min(room);
        let first = offset / BLOCK64;
        let last = (offset + len as u64 - 1) / BLOCK64;
        if first == last && self.cache.borrow_mut().write_dirty(ino, first, offset, &data[..len]) {
            // Fast path for small writes to a dirty block, whose space is already accounted for.
            self.grown(ino, 0, offset + len as u64)?;
            return Ok(len);
        }
        let mut states = self.admit(ino, first, last)?;
        if states.contains(&State::Hole)
            && self.need_meta((last / GROUP - first / GROUP + 1) * GROUP_BYTES)?
        {
            // Blocks that were dirty have been committed.
            states = self.admit(ino, first, last)?;
        }
        let reach = (first + states.len() as u64) * BLOCK64 - offset;
        len = len.min(usize::try_from(reach).unwrap_or(usize::MAX));
        let data = &data[..len];
        let end = offset + len as u64;
        let last = (end - 1) / BLOCK64;

        // Blocks that keep part of their content. Nothing can fail after this.
        if !offset.is_multiple_of(BLOCK64) || (first == last && !end.is_multiple_of(BLOCK64)) {
            self.load(ino, first)?;
        }
        if first != last && !end.is_multiple_of(BLOCK64) {
            self.load(ino, last)?;
        }

        let mut done = 0;
        for index in first..=last {
            let start = if index == first { (offset % BLOCK64) as usize } else { 0 };
            let part = (BLOCK - start).min(len - done);
            let mut cache = self.cache.borrow_mut();
            cache.change(ino, index)[start..start + part].copy_from_slice(&data[done..done + part]);
            done += part;
        }
        let added = states.iter().filter(|state| **state == State::Hole).count() as u64;
        self.grown(ino, added, end)?;
        self.cache.borrow_mut().evict();
        Ok(len)
    }

    /// Records new blocks and the new end of a modified file.
    pub(crate) fn grown(&mut self, ino: Ino, added: u64, end: u64) -> Result<()> {
        self.add_blocks(ino, added)?;
        let now_ns = self.now_ns();
        let inode = self.inode_mut(ino)?;
        inode.size = inode.size.max(end);
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
        Ok(())
    }

    /// Counts new blocks of a file, for it and its quota trees.
    pub(crate) fn add_blocks(&mut self, ino: Ino, added: u64) -> Result<()> {
        if added != 0 {
            let inode = self.inode_mut(ino)?;
            inode.blocks += added;
            let quota = inode.quota;
            self.quotas.charge(quota, added as i64, 0);
        }
        Ok(())
    }

    /// The size of a file, if it is one.
    pub(crate) fn writable_file(&mut self, ino: Ino) -> Result<u64> {
        let inode = self.inode(ino)?;
        match inode.kind {
            Kind::File => Ok(inode.size),
            Kind::Directory => Err(Error::IsDirectory),
            Kind::Symlink => Err(Error::Invalid),
        }
    }

    /// Writes at the end of the file. Returns the number of bytes written, and the new end.
    pub fn append(&mut self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        let size = self.writable_file(ino)?;
        let written = self.write(ino, size, data)?;
        Ok((written, size + written as u64))
    }
}
