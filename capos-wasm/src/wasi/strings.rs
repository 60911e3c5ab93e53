//! The layout that `args_get` and `environ_get` share: an array of pointers and the strings themselves.

use super::{Errno, GuestMemory, memory::aligned};
use crate::{instance::yield_once, launch::Strings};

/// Bytes written before others get their turn.
const PIECE_BYTES: usize = 32 << 10;

/// Writes how many strings there are, and their size in bytes with a NUL after each.
pub(super) fn write_sizes(
    memory: &GuestMemory,
    strings: &Strings,
    count: u32,
    size: u32,
) -> Result<(), Errno> {
    memory.write_u32(count, to_u32(strings.count())?)?;
    memory.write_u32(size, to_u32(strings.bytes().len())?)
}

/// Writes the strings from `buffer` on, each with a NUL, and a pointer to each into `pointers`.
pub(super) async fn write_all(
    memory: &GuestMemory,
    strings: &Strings,
    pointers: u32,
    buffer: u32,
) -> Result<(), Errno> {
    aligned::<4>(pointers)?;
    let (mut pointer, mut next) = (pointers, buffer);
    let mut begins = true;
    for (index, piece) in strings.bytes().chunks(PIECE_BYTES).enumerate() {
        if index > 0 {
            yield_once().await;
        }
        memory.write_bytes(next, piece)?;
        for part in piece.split_inclusive(|byte| *byte == 0) {
            if begins {
                memory.write_u32(pointer, next)?;
                pointer = pointer.checked_add(4).ok_or(Errno::Fault)?;
            }
            begins = part.ends_with(&[0]);
            next = next.checked_add(to_u32(part.len())?).ok_or(Errno::Fault)?;
        }
    }
    Ok(())
}

fn to_u32(length: usize) -> Result<u32, Errno> {
    u32::try_from(length).map_err(|_| Errno::Overflow)
}
