//! Moving the state of an instance into a fresh one of the same module.

use super::{
    inventory::{global_name, memory_name},
    movable::Movable,
    values::Returned,
};
use crate::{Discard, pace::Pace};

/// Bytes that are copied at once, and then freed where they came from. So a page exists twice for no longer than that takes.
const STEP_BYTES: usize = 256 << 10;
/// Makes the clock be checked after each step.
const STEP_WORK: usize = 16 << 10;
/// Bytes that are compared at once: a page of the processor, which need not be written if it is equal.
const PAGE_BYTES: usize = 4 << 10;
static ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// An instance's state, by the names of the exports that were added to its module. Not available during a call.
pub(crate) trait State {
    fn memory(&mut self, name: &str) -> Option<&mut [u8]>;

    /// Length of a memory in its pages.
    fn pages(&mut self, name: &str) -> Option<u64>;

    /// Makes a memory `more` pages longer.
    fn grow(&mut self, name: &str, more: u64) -> Result<(), String>;

    fn global(&mut self, name: &str) -> Option<Returned>;

    fn set_global(&mut self, name: &str, value: Returned) -> Result<(), String>;
}

/// Moves memories and globals. After an error, `from` is unchanged; otherwise it must not run any more, since its memory has
/// been freed.
pub(crate) async fn transfer(
    from: &mut dyn State,
    to: &mut dyn State,
    movable: &Movable,
    discard: Option<Discard>,
    pace: &mut Pace,
) -> Result<(), String> {
    let inaccessible = || "its state is not accessible".to_owned();
    for &index in &movable.state.globals {
        let name = global_name(index);
        to.set_global(&name, from.global(&name).ok_or_else(inaccessible)?)?;
    }
    for index in 0..movable.state.memories {
        let name = memory_name(index);
        let wanted = from.pages(&name).ok_or_else(inaccessible)?;
        let pages = to.pages(&name).ok_or_else(inaccessible)?;
        to.grow(&name, wanted.checked_sub(pages).ok_or_else(inaccessible)?)?;
        if from.memory(&name).map(|memory| memory.len()) != to.memory(&name).map(|memory| memory.len()) {
            return Err(inaccessible());
        }
    }
    // From here on, nothing fails.
    for (index, &initialized) in (0..).zip(&movable.initialized_bytes) {
        copy(from, to, &memory_name(index), initialized, discard, pace).await;
    }
    Ok(())
}

/// Copies a memory of `to` that begins with `initialized` bytes, and then with zeros.
async fn copy(
    from: &mut dyn State,
    to: &mut dyn State,
    name: &str,
    initialized: u64,
    discard: Option<Discard>,
    pace: &mut Pace,
) {
    let mut done = 0;
    // An instance that was killed does not run any more.
    while !pace.is_stopped()
        && let (Some(from), Some(to)) = (from.memory(name), to.memory(name))
        && done < from.len()
    {
        let end = from.len().min(done + STEP_BYTES);
        let (Some(from), Some(to)) = (from.get_mut(done..end), to.get_mut(done..end)) else { return };
        for (page, (from, to)) in from.chunks(PAGE_BYTES).zip(to.chunks_mut(PAGE_BYTES)).enumerate() {
            let is_initialized = ((done + page * PAGE_BYTES) as u64) < initialized;
            let is_same = if is_initialized { from == to } else { *from == ZEROS[..from.len()] };
            if !is_same {
                to.copy_from_slice(from);
            }
        }
        if let Some(discard) = discard {
            discard(from);
        }
        done = end;
        pace.spend(STEP_WORK).await;
    }
}

#[cfg(test)]
mod tests;
