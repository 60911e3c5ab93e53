//! The layout that `args_get` and `environ_get` share: an array of pointers and the strings themselves.

use super::{Errno, GuestMemory, memory::aligned};

/// Writes how many strings there are, and their size in bytes with a NUL after each.
pub(super) fn write_sizes(
    memory: &GuestMemory,
    strings: &[Vec<u8>],
    count: u32,
    size: u32,
) -> Result<(), Errno> {
    memory.write_u32(count, to_u32(strings.len())?)?;
    let total = strings.iter().map(|string| string.len() + 1).sum();
    memory.write_u32(size, to_u32(total)?)
}

/// Writes the strings from `buffer` on, each with a NUL, and a pointer to each into `pointers`.
pub(super) fn write_all(
    memory: &GuestMemory,
    strings: &[Vec<u8>],
    pointers: u32,
    buffer: u32,
) -> Result<(), Errno> {
    aligned::<4>(pointers)?;
    let (mut pointer, mut next) = (pointers, buffer);
    for string in strings {
        memory.write_u32(pointer, next)?;
        memory.write_bytes(next, string)?;
        let nul = next.checked_add(to_u32(string.len())?).ok_or(Errno::Fault)?;
        memory.write_bytes(nul, &[0])?;
        next = nul.checked_add(1).ok_or(Errno::Fault)?;
        pointer = pointer.checked_add(4).ok_or(Errno::Fault)?;
    }
    Ok(())
}

fn to_u32(length: usize) -> Result<u32, Errno> {
    u32::try_from(length).map_err(|_| Errno::Overflow)
}
