//! Blocks that were written, on their way to the device.

use crate::error::{Error, Result};
use crate::layout::BLOCK64;
use crate::map::{GROUP, Group, Mapping, block_sum};
use crate::record::Ino;
use crate::volume::Volume;

impl Volume {
    /// Stores all dirty blocks. They are not durable before the commit.
    pub(crate) fn flush_blocks(&mut self) -> Result<()> {
        while let Some((ino, index)) = self.cache.first_dirty() {
            self.flush_group(ino, index / GROUP)?;
        }
        self.cache.evict();
        Ok(())
    }

    /// Stores the dirty blocks of one group. If the device refuses, everything is as before.
    fn flush_group(&mut self, ino: Ino, number: u64) -> Result<()> {
        let mut group = self.group(ino, number)?;
        let mut placed: Vec<(u64, u32)> = Vec::new();
        let mut short = false;
        for index in self.cache.dirty_within(ino, number * GROUP..(number + 1) * GROUP) {
            let old = group.get(index).block;
            if old != 0 && self.blocks.is_fresh(old) {
                placed.push((index, old));
            } else if let Some(block) = self.blocks.allocate() {
                placed.push((index, block));
            } else {
                short = true;
                break;
            }
        }
        let written = if short { Err(Error::NoSpace) } else { self.write_placed(ino, &placed, &mut group) };
        if let Err(error) = written {
            let before = self.group(ino, number)?;
            for (index, block) in placed {
                if before.get(index).block != block {
                    self.blocks.release(block);
                }
            }
            return Err(error);
        }
        let before = self.group(ino, number)?;
        let stored = self.put_group(ino, number, &group);
        self.note(stored)?;
        for (index, block) in placed {
            let old = before.get(index).block;
            if old != 0 && old != block {
                self.blocks.release(old);
            }
            self.cache.set_clean(ino, index);
        }
        Ok(())
    }

    /// Writes blocks to their places, neighbours together, and notes places and checksums in `group`.
    fn write_placed(&mut self, ino: Ino, placed: &[(u64, u32)], group: &mut Group) -> Result<()> {
        let mut run = Vec::new();
        let mut run_start = 0;
        for (i, (index, block)) in placed.iter().enumerate() {
            let Some(data) = self.cache.get(ino, *index) else { return Err(Error::Io) };
            if run.is_empty() {
                run_start = *block;
            }
            group.set(*index, Mapping { block: *block, sum: block_sum(ino, *index, data) });
            run.extend_from_slice(data);
            if placed.get(i + 1).is_none_or(|(_, next)| *next != block + 1) {
                self.device.write_at(u64::from(run_start) * BLOCK64, &run)?;
                run.clear();
            }
        }
        Ok(())
    }
}
