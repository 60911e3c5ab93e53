//! `args_*` and `environ_*`: the two lists of strings of the launch parameters, each as an array of pointers and
//! the strings themselves.

use super::{Context, Errno, GuestMemory, Stop, memory::aligned};
use crate::{
    launch::{Launch, Strings},
    turns::yield_once,
};

/// Bytes written before other tasks run.
const PIECE_BYTES: usize = 32 << 10;
/// Strings written before other tasks run.
const PIECE_STRINGS: usize = 512;

/// One of the lists.
pub(super) trait List {
    fn of(launch: &Launch) -> &Strings;
}

/// The command-line arguments.
pub(super) struct Arguments;

/// The environment, as `NAME=value`.
pub(super) struct Environment;

impl List for Arguments {
    fn of(launch: &Launch) -> &Strings {
        &launch.arguments
    }
}

impl List for Environment {
    fn of(launch: &Launch) -> &Strings {
        &launch.environment
    }
}

/// Writes the number of strings, and their total size including a NUL after each.
pub(super) async fn sizes_get<L: List>(
    context: &mut Context,
    memory: &GuestMemory,
    count: u32,
    size: u32,
) -> Result<(), Stop> {
    let strings = L::of(&context.launch);
    memory.write_u32(count, to_u32(strings.count())?)?;
    Ok(memory.write_u32(size, to_u32(strings.bytes().len())?)?)
}

/// Writes the strings to `buffer`, each with a NUL, and a pointer to each to `pointers`.
pub(super) async fn get<L: List>(
    context: &mut Context,
    memory: &GuestMemory,
    pointers: u32,
    buffer: u32,
) -> Result<(), Stop> {
    aligned::<4>(pointers)?;
    let (mut pointer, mut next) = (pointers, buffer);
    let mut begins = true;
    let mut begun: usize = 0;
    for (index, piece) in L::of(&context.launch).bytes().chunks(PIECE_BYTES).enumerate() {
        if index > 0 {
            yield_once().await;
        }
        memory.write_bytes(next, piece)?;
        for part in piece.split_inclusive(|byte| *byte == 0) {
            if begins {
                memory.write_u32(pointer, next)?;
                pointer = pointer.checked_add(4).ok_or(Errno::Fault)?;
                begun += 1;
                if begun.is_multiple_of(PIECE_STRINGS) {
                    yield_once().await;
                }
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
