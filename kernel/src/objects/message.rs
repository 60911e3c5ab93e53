//! Builds results in a buffer of the caller. The few further allocations of the `capnp` crate are freed when a message
//! has been built, and come from the memory reserved for this.

use super::{cap_table, failure::Failure};
use crate::mm::heap;
use alloc::vec::Vec;
use capnp::{
    Word,
    capability::FromClientHook,
    message::{Builder, SingleSegmentAllocator},
    traits::{ImbueMut, Owned},
};
use capos_abi::Handle;

/// Maximum length of a result built here, including framing.
pub(super) const MAX_RESULT_BYTES: usize = 36 * 1024;
/// Enough for results with a few fields.
pub(super) const SMALL_BYTES: usize = 256;

/// The answer of a method.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// Results without fields.
    Empty,
    /// A message at the beginning of the results buffer, and its capability.
    Results { bytes: usize, cap: Option<Handle> },
    /// The call is suspended or has been answered already.
    Later,
}

/// Splits the buffer into space for a framed message, and space for building it.
fn halves(buffer: &mut [Word]) -> (&mut [u8], &mut [u8]) {
    let (output, scratch) = buffer.split_at_mut(buffer.len() / 2);
    (Word::words_to_bytes_mut(output), Word::words_to_bytes_mut(scratch))
}

/// Results of at most `room` bytes (known to the caller from the sizes of their content). Allocations of `fill` must not
/// outlive it.
pub(super) fn long_results<T: Owned>(
    buffer: &mut [Word],
    room: usize,
    fill: impl for<'b> FnOnce(T::Builder<'b>) -> Result<(), Failure>,
) -> Result<Answer, Failure> {
    let (output, scratch) = halves(buffer);
    let scratch = scratch.get_mut(..room.next_multiple_of(8)).ok_or(Failure::OUT_OF_MEMORY)?;
    let bytes = heap::with_scratch(|| {
        let mut message = Builder::new(SingleSegmentAllocator::new(scratch));
        fill(message.init_root::<T::Builder<'_>>())?;
        let segments = message.get_segments_for_output();
        frame(segments.first().copied().unwrap_or_default(), output)
    })?;
    Ok(Answer::Results { bytes, cap: None })
}

/// Results of a few fields.
pub(super) fn results<T: Owned>(
    buffer: &mut [Word],
    fill: impl for<'b> FnOnce(T::Builder<'b>),
) -> Result<Answer, Failure> {
    long_results::<T>(buffer, SMALL_BYTES, |root| {
        fill(root);
        Ok(())
    })
}

/// Results with one capability: `set` puts the given client into the message.
pub(super) fn results_with_cap<T, C>(
    buffer: &mut [Word],
    cap: Handle,
    set: impl for<'b> FnOnce(&mut T::Builder<'b>, C),
) -> Result<Answer, Failure>
where
    T: Owned,
    C: FromClientHook,
    for<'b> T::Builder<'b>: ImbueMut<'b>,
{
    let (output, scratch) = halves(buffer);
    let scratch = scratch.get_mut(..SMALL_BYTES).ok_or(Failure::OUT_OF_MEMORY)?;
    let bytes = heap::with_scratch(|| {
        let mut table = Vec::new();
        let mut message = Builder::new(SingleSegmentAllocator::new(scratch));
        {
            let mut root = message.init_root::<T::Builder<'_>>();
            root.imbue_mut(&mut table);
            set(&mut root, C::new(cap_table::marker(0)));
        }
        let segments = message.get_segments_for_output();
        frame(segments.first().copied().unwrap_or_default(), output)
    })?;
    Ok(Answer::Results { bytes, cap: Some(cap) })
}

/// Frames one segment at the beginning of `output`.
fn frame(segment: &[u8], output: &mut [u8]) -> Result<usize, Failure> {
    let total = segment.len() + size_of::<Word>();
    let framed = output.get_mut(..total).ok_or(Failure::OUT_OF_MEMORY)?;
    let (header, body) = framed.split_at_mut(size_of::<Word>());
    // One segment; its length in words.
    header.copy_from_slice(&((segment.len() as u64 / 8) << 32).to_le_bytes());
    body.copy_from_slice(segment);
    Ok(total)
}
