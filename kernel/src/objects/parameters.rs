//! A message from a process: the parameters of a call.

use capnp::{
    Result,
    message::{Reader, ReaderOptions, ReaderSegments},
    serialize::NoAllocSliceSegments,
};

/// The messages to kernel objects are flat, so little nesting is allowed and each may be traversed once or
/// twice.
const OPTIONS: ReaderOptions = ReaderOptions { traversal_limit_in_words: Some(32 * 1024), nesting_limit: 8 };

/// Bytes of the segment table of a message with one segment.
const TABLE_BYTES: usize = 8;
const WORD: usize = size_of::<u64>();

/// The segments of a message. Nearly every message has one; the library's reader would look it up in the segment table
/// whenever a pointer is followed.
pub(super) enum Segments<'a> {
    One(&'a [u8]),
    Several(NoAllocSliceSegments<'a>),
}

impl ReaderSegments for Segments<'_> {
    #[inline]
    fn get_segment(&self, id: u32) -> Option<&[u8]> {
        match self {
            Self::One(segment) => (id == 0).then_some(segment),
            Self::Several(segments) => segments.get_segment(id),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(segments) => segments.len(),
        }
    }
}

/// The message in `bytes`, which begin at a multiple of a word.
///
/// # Errors
/// If its segment table is malformed, or describes more than `bytes`.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<Reader<Segments<'_>>> {
    let segments = match single_segment(bytes) {
        Some(segment) => Segments::One(segment),
        None => Segments::Several(NoAllocSliceSegments::from_slice(&mut &*bytes, OPTIONS)?),
    };
    Ok(Reader::new(segments, OPTIONS))
}

/// The segment of a message whose table describes exactly one, within `bytes`.
#[inline]
fn single_segment(bytes: &[u8]) -> Option<&[u8]> {
    let (&[0, 0, 0, 0, a, b, c, d], rest) = bytes.split_first_chunk::<TABLE_BYTES>()? else { return None };
    let words = u32::from_le_bytes([a, b, c, d]) as usize;
    rest.get(..words.checked_mul(WORD)?)
}
