#![expect(unsafe_code, reason = "implements capnp's arena traits, whose contract is about raw segments")]

use capnp::private::arena::{BuilderArena, ReaderArena};
use capnp::private::layout::{PointerBuilder, PointerReader};
use capnp::{Error, ErrorKind, Result, any_pointer};
use core::ptr::NonNull;

/// Bytes of the segment table of a single-segment message.
pub(crate) const HEADER_BYTES: usize = 8;
const WORD: usize = 8;
/// Messages of up to this many bytes are zeroed inline, which is shorter than a call.
const SHORT: usize = 96;
/// Every message has a root pointer.
const ROOT_WORDS: u32 = 1;

/// Builds a message in one segment of given memory, preceded by the segment table. Excess data goes to the
/// heap, and then the message is too large to send.
pub(crate) struct Arena {
    memory: NonNull<u8>,
    capacity_words: u32,
    used_words: u32,
    overflow: Vec<(Box<[u64]>, u32)>,
}

impl Arena {
    /// An empty arena.
    ///
    /// # Safety
    /// `memory` must be aligned to 8, `length_bytes` long and zero, not be used by anything else, and outlive
    /// the arena.
    pub(crate) unsafe fn new(memory: NonNull<u8>, length_bytes: usize) -> Self {
        let capacity_words = u32::try_from((length_bytes - HEADER_BYTES) / WORD).unwrap_or(u32::MAX);
        Self { memory, capacity_words, used_words: ROOT_WORDS, overflow: Vec::new() }
    }

    fn segment(&self) -> NonNull<u8> {
        // SAFETY: `new` requires more than HEADER_BYTES.
        unsafe { self.memory.add(HEADER_BYTES) }
    }

    /// The root of the message under construction.
    pub(crate) fn root(&mut self) -> any_pointer::Builder<'_> {
        let location = self.segment().as_ptr();
        any_pointer::Builder::new(PointerBuilder::get_root(self, 0, location))
    }

    /// The root of the built message, for reading.
    pub(crate) fn built_root(&self) -> Result<any_pointer::Reader<'_>> {
        Ok(any_pointer::Reader::new(PointerReader::get_root_from_arena(self)?))
    }

    /// Completes the segment table and returns the message's length in bytes, unless it is too large to send.
    pub(crate) fn finish(&mut self) -> Option<u32> {
        if !self.overflow.is_empty() {
            return None;
        }
        let words = self.used_words;
        // SAFETY: the segment table is the first 8 bytes of the memory: segment count less one, then length.
        unsafe { self.memory.cast::<[u32; 2]>().write([0, words]) };
        Some((words + 1) * WORD as u32)
    }

    /// Empties the arena and zeroes its memory. Bytes written by others beyond `written_bytes` and beyond the
    /// built message stay.
    pub(crate) fn clear(&mut self, written_bytes: usize) {
        let bytes = written_bytes.max(HEADER_BYTES + self.used_words as usize * WORD);
        let bytes = bytes.min(HEADER_BYTES + self.capacity_words as usize * WORD);
        if bytes <= SHORT && self.capacity_words as usize >= SHORT / WORD {
            // SAFETY: this range is within the memory; the rest as below. Additional bytes that are cleared are
            // already zero or were written by others.
            unsafe { self.memory.cast::<[u64; SHORT / WORD]>().write([0; SHORT / WORD]) };
        } else {
            // SAFETY: `bytes` is within the memory, and `&mut self` excludes readers of the message.
            unsafe { self.memory.write_bytes(0, bytes) };
        }
        self.used_words = ROOT_WORDS;
        if !self.overflow.is_empty() {
            self.overflow.clear();
        }
    }

    /// Address of the message.
    pub(crate) fn address(&self) -> u64 {
        self.memory.as_ptr() as u64
    }
}

// SAFETY: segments never move while the arena lives (the first is given memory, others are boxes that are only
// added), and every pointer in a message under construction was written by the builder itself, so offsets need
// no check.
unsafe impl ReaderArena for Arena {
    fn get_segment(&self, id: u32) -> Result<(*const u8, u32)> {
        match id.checked_sub(1) {
            None => Ok((self.segment().as_ptr(), self.used_words)),
            Some(index) => match self.overflow.get(index as usize) {
                Some((words, used)) => Ok((words.as_ptr().cast(), *used)),
                None => Err(Error::from_kind(ErrorKind::InvalidSegmentId(id))),
            },
        }
    }

    unsafe fn check_offset(
        &self,
        _segment: u32,
        start: *const u8,
        offset_in_words: i32,
    ) -> Result<*const u8> {
        // SAFETY: the offset was written by the builder and refers to an object in the same segment.
        Ok(unsafe { start.offset(offset_in_words as isize * WORD as isize) })
    }

    fn contains_interval(&self, _id: u32, _start: *const u8, _size: usize) -> Result<()> {
        Ok(())
    }

    fn amplified_read(&self, _virtual_amount: u64) -> Result<()> {
        Ok(())
    }

    fn nesting_limit(&self) -> i32 {
        i32::MAX
    }

    fn size_in_words(&self) -> usize {
        self.used_words as usize + self.overflow.iter().map(|(_, used)| *used as usize).sum::<usize>()
    }
}

// SAFETY: as above; `allocate` never returns the same words twice, and all memory is initially zero.
unsafe impl BuilderArena for Arena {
    fn allocate(&mut self, segment_id: u32, amount: u32) -> Option<u32> {
        let (capacity, used) = match segment_id.checked_sub(1) {
            None => (self.capacity_words, &mut self.used_words),
            Some(index) => {
                let (words, used) = self.overflow.get_mut(index as usize)?;
                (u32::try_from(words.len()).ok()?, used)
            }
        };
        let start = *used;
        if amount > capacity - start {
            return None;
        }
        *used = start + amount;
        Some(start)
    }

    fn allocate_anywhere(&mut self, amount: u32) -> (u32, u32) {
        let last = self.overflow.len() as u32;
        if let Some(offset) = self.allocate(last, amount) {
            return (last, offset);
        }
        let words = vec![0u64; amount.max(self.capacity_words) as usize].into_boxed_slice();
        self.overflow.push((words, amount));
        (last + 1, 0)
    }

    fn get_segment_mut(&mut self, id: u32) -> (*mut u8, u32) {
        match id.checked_sub(1).and_then(|index| self.overflow.get_mut(index as usize)) {
            None => (self.segment().as_ptr(), self.used_words),
            Some((words, used)) => (words.as_mut_ptr().cast(), *used),
        }
    }

    fn as_reader(&self) -> &dyn ReaderArena {
        self
    }
}
