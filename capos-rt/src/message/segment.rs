//! A single-segment message from another process, such as this runtime sends. Every pointer in it is checked when it is
//! followed.
#![expect(unsafe_code, reason = "implements capnp's arena trait, whose contract is about raw segments")]

use super::Message;
use super::arena::HEADER_BYTES;
use capnp::message::ReaderOptions;
use capnp::private::arena::ReaderArena;
use capnp::private::layout::PointerReader;
use capnp::{Error, ErrorKind, Result, any_pointer};
use core::cell::Cell;
use core::ptr::NonNull;

const WORD: usize = 8;

/// A single-segment message from another process.
pub(crate) struct Segment {
    start: NonNull<u8>,
    words: u32,
    /// Number of words that may still be read. Repeated reads count again: pointers may overlap, and could otherwise make
    /// a small message a large one.
    readable: Cell<usize>,
    nesting_limit: i32,
    /// Owns the memory, which does not move.
    message: Message,
}

impl Segment {
    /// The segment in the first `length` bytes of `message`, if its segment table describes exactly one, within those
    /// bytes.
    #[inline]
    pub(crate) fn new(
        message: Message,
        length: usize,
        options: &ReaderOptions,
    ) -> core::result::Result<Self, Message> {
        let bytes = message.bytes(length);
        let Some((&[0, 0, 0, 0, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(message);
        };
        let words = u32::from_le_bytes([a, b, c, d]);
        if words as usize > rest.len() / WORD {
            return Err(message);
        }
        Ok(Self {
            start: NonNull::from(rest).cast(),
            words,
            readable: Cell::new(options.traversal_limit_in_words.unwrap_or(usize::MAX)),
            nesting_limit: options.nesting_limit,
            message,
        })
    }

    /// The memory that contains it.
    pub(crate) fn into_message(self) -> Message {
        self.message
    }

    /// The root.
    #[inline]
    pub(crate) fn root(&self) -> Result<any_pointer::Reader<'_>> {
        Ok(any_pointer::Reader::new(PointerReader::get_root_from_arena(self)?))
    }

    fn read(&self, words: usize) -> Result<()> {
        match self.readable.get().checked_sub(words) {
            Some(left) => {
                self.readable.set(left);
                Ok(())
            }
            None => Err(Error::from_kind(ErrorKind::ReadLimitExceeded)),
        }
    }
}

// SAFETY: `new` found the segment in the message's buffer, which is owned, never moves, and is not written meanwhile,
// since nothing else has access to the message. Buffers are aligned to more than a word. An interval is reported as
// contained only if the whole of it is in the segment.
unsafe impl ReaderArena for Segment {
    #[inline]
    fn get_segment(&self, id: u32) -> Result<(*const u8, u32)> {
        match id {
            0 => Ok((self.start.as_ptr(), self.words)),
            _ => Err(Error::from_kind(ErrorKind::InvalidSegmentId(id))),
        }
    }

    #[inline]
    fn contains_interval(&self, id: u32, start: *const u8, size_in_words: usize) -> Result<()> {
        let (segment, words) = self.get_segment(id)?;
        let length = words as usize * WORD;
        // An address before the segment becomes a very large offset.
        let offset = start.addr().wrapping_sub(segment.addr());
        if offset > length || size_in_words > (length - offset) / WORD {
            return Err(Error::from_kind(ErrorKind::MessageContainsOutOfBoundsPointer));
        }
        self.read(size_in_words)
    }

    fn amplified_read(&self, virtual_amount: u64) -> Result<()> {
        self.read(usize::try_from(virtual_amount).unwrap_or(usize::MAX))
    }

    fn nesting_limit(&self) -> i32 {
        self.nesting_limit
    }

    fn size_in_words(&self) -> usize {
        self.words as usize
    }
}

#[cfg(all(test, not(target_os = "hermit")))]
mod tests {
    use super::*;
    use crate::arch::KernelModel;
    use crate::testing::{new_ring, with_thread};
    use capnp::message::Reader;
    use capnp::serialize::NoAllocSliceSegments;
    use capos_schema::launch_capnp::launch_parameters;
    use std::rc::Rc;

    struct NoKernel;

    impl KernelModel for NoKernel {
        fn cap_enter(&self, _submit: u32, _wait_for: u32, _deadline_ns: u64) -> i64 {
            0
        }
    }

    /// Everything readable in a message, interpreted as launch parameters.
    fn read(root: any_pointer::Reader<'_>) -> Result<Vec<Vec<u8>>> {
        let root: launch_parameters::Reader<'_> = root.get_as()?;
        let mut found = vec![format!("{:?}", root.total_size()?).into_bytes()];
        for argument in root.get_arguments()? {
            found.push(argument?.as_bytes().to_vec());
        }
        for variable in root.get_environment()? {
            found.push(variable.get_name()?.as_bytes().to_vec());
            found.push(variable.get_value()?.as_bytes().to_vec());
        }
        for grant in root.get_grants()? {
            found.push(grant.get_name()?.as_bytes().to_vec());
            found.push(grant.get_interface_id().to_le_bytes().to_vec());
        }
        Ok(found)
    }

    /// A word that often is a pointer, and often a valid one.
    fn word(random: &mut impl FnMut(u64) -> u64) -> u64 {
        let offset = if random(8) == 0 { random(1 << 30) } else { random(7) };
        match random(8) {
            0 => random(u64::MAX),
            1..=3 => offset << 2 | random(3) << 32 | random(4) << 48,
            4..=6 => 1 | offset << 2 | random(8) << 32 | random(12) << 35,
            _ => 2 | random(2) << 2 | random(9) << 3 | random(2) << 32,
        }
    }

    /// Any message reads as with the library's own reader: the same contents, or the same error.
    #[test]
    fn messages_read_as_the_library_reads_them() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut read_well, mut refused) = (0, 0);
        with_thread(new_ring(), Rc::new(NoKernel), || {
            for _ in 0..100_000 {
                let words = random(16) as usize;
                let mut bytes = ((words as u64) << 32).to_le_bytes().to_vec();
                bytes.extend((0..words).flat_map(|_| word(&mut random).to_le_bytes()));
                // The library refuses a message beyond its limit immediately.
                let traversal = [None, Some(words + random(40) as usize)][random(2) as usize];
                let options = ReaderOptions { traversal_limit_in_words: traversal, nesting_limit: 4 };

                let aligned: Vec<u64> =
                    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
                // SAFETY: this is the length of the words in bytes.
                let mut rest =
                    unsafe { core::slice::from_raw_parts(aligned.as_ptr().cast::<u8>(), bytes.len()) };
                let segments = NoAllocSliceSegments::from_slice(&mut rest, options).expect("a segment table");
                let expected = Reader::new(segments, options);
                let expected = expected.get_root().and_then(read).map_err(|error| error.kind);

                let message = Message::for_receiving();
                // SAFETY: the buffer is longer, and not used by anything else.
                unsafe {
                    core::ptr::copy_nonoverlapping(bytes.as_ptr(), message.address() as *mut u8, bytes.len())
                };
                let Ok(segment) = Segment::new(message, bytes.len(), &options) else {
                    panic!("a single segment")
                };
                assert_eq!(segment.root().and_then(read).map_err(|error| error.kind), expected, "{bytes:x?}");
                match expected {
                    Ok(_) => read_well += 1,
                    Err(_) => refused += 1,
                }
            }
        });
        assert!(read_well > 1000 && refused > 1000, "{read_well} messages read, {refused} refused");
    }

    #[test]
    fn a_segment_beyond_the_message_is_refused() {
        with_thread(new_ring(), Rc::new(NoKernel), || {
            for (table, length) in [([0, 1], 8), ([0, 1], 15), ([0, u32::MAX], 16), ([1, 1], 16), ([0, 0], 7)]
            {
                let message = Message::for_receiving();
                // SAFETY: the buffer is longer and aligned, and not used by anything else.
                unsafe { (message.address() as *mut [u32; 2]).write(table) };
                assert!(Segment::new(message, length, &ReaderOptions::new()).is_err(), "{table:?}, {length}");
            }
        });
    }
}
