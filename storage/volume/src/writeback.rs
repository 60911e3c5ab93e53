//! Writes dirty blocks to the device.

use crate::error::{Error, Result};
use crate::layout::BLOCK64;
use crate::map::{GROUP, Group, Mapping, block_sum};
use crate::record::Ino;
use crate::volume::Volume;

/// Blocks stored together, of any number of files: blocks that become neighbours are written in one request.
const BATCH_BLOCKS: usize = 64;

/// A block being written.
#[derive(Clone, Copy)]
struct Placed {
    ino: Ino,
    index: u64,
    /// Its new place.
    block: u32,
    /// Its old place; 0 for none.
    old: u32,
}

/// Blocks being written, and the records that will refer to them.
#[derive(Default)]
struct Batch {
    placed: Vec<Placed>,
    groups: Vec<(Ino, u64, Group)>,
}

impl Volume {
    /// Stores all dirty blocks. They are not durable before the commit.
    pub(crate) fn flush_blocks(&mut self) -> Result<()> {
        while self.cache.borrow_mut().dirty_count() > 0 {
            self.flush_batch()?;
        }
        self.cache.borrow_mut().evict();
        Ok(())
    }

    /// Stores the first dirty blocks. If the device fails, nothing has changed.
    fn flush_batch(&mut self) -> Result<()> {
        let mut batch = Batch::default();
        let written = self.place(&mut batch).and_then(|()| self.write_placed(&mut batch));
        if let Err(error) = written {
            for Placed { block, old, .. } in batch.placed {
                if block != old {
                    self.blocks.release(block);
                }
            }
            return Err(error);
        }
        for (ino, number, group) in &batch.groups {
            let stored = self.put_group(*ino, *number, group);
            self.note(stored)?;
        }
        for Placed { ino, index, block, old } in batch.placed {
            if old != 0 && old != block {
                self.blocks.release(old);
            }
            self.cache.borrow_mut().set_clean(ino, index);
        }
        Ok(())
    }

    /// Allocates a place for each of the first dirty blocks.
    fn place(&mut self, batch: &mut Batch) -> Result<()> {
        for (ino, index) in self.cache.borrow_mut().first_dirty(BATCH_BLOCKS) {
            let number = index / GROUP;
            let known = batch.groups.last().filter(|(of, last, _)| (*of, *last) == (ino, number));
            let old = match known {
                Some((_, _, group)) => group.get(index).block,
                None => {
                    let group = self.group(ino, number)?;
                    let old = group.get(index).block;
                    batch.groups.push((ino, number, group));
                    old
                }
            };
            let block =
                if old != 0 && self.blocks.is_fresh(old) { Some(old) } else { self.blocks.allocate() };
            batch.placed.push(Placed { ino, index, block: block.ok_or(Error::NoSpace)?, old });
        }
        Ok(())
    }

    /// Writes blocks to their places, neighbours together, and enters places and checksums in their groups.
    fn write_placed(&mut self, batch: &mut Batch) -> Result<()> {
        let mut groups = batch.groups.iter_mut();
        let mut group = groups.next();
        let mut run = Vec::new();
        let mut run_start = 0;
        let mut placed = batch.placed.iter().peekable();
        while let Some(Placed { ino, index, block, .. }) = placed.next() {
            let is_theirs = |(of, number, _): &(Ino, u64, Group)| (*of, *number) == (*ino, index / GROUP);
            if !group.as_deref().is_some_and(is_theirs) {
                group = groups.next();
            }
            let Some((_, _, group)) = group.as_deref_mut() else { return Err(Error::Io) };
            if run.is_empty() {
                run_start = *block;
            }
            // The borrow ends before the wait for the device, so that cached data can be read meanwhile.
            let mut cache = self.cache.borrow_mut();
            let Some(data) = cache.get(*ino, *index) else { return Err(Error::Io) };
            group.set(*index, Mapping { block: *block, sum: block_sum(*ino, *index, data) });
            run.extend_from_slice(data);
            drop(cache);
            if placed.peek().is_none_or(|next| next.block != block + 1) {
                self.device.write_at(u64::from(run_start) * BLOCK64, &run)?;
                run.clear();
            }
        }
        Ok(())
    }
}
