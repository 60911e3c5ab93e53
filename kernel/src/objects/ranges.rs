//! Changing ranges of an address space in pieces: each piece is changed completely and is small enough for one step.

use super::{Context, Failure, message::Answer};
use crate::{
    budget::Budget,
    kernel::Kernel,
    system::{process::ProcessId, thread::Job},
};
use capos_kernel_core::{
    ipc::{Caller, Reply},
    regions::Protection,
};

/// The change to a range.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Sets the allowed access.
    Protect(Protection),
    /// Unmaps the pages.
    Unmap,
    /// Discards the contents; the pages read as zero.
    Discard,
}

/// The remaining part of a range that is changed for a caller.
pub(crate) struct RangeChange {
    caller: Caller,
    process: ProcessId,
    change: Change,
    at: u64,
    end: u64,
}

/// Changes the range of `length` bytes starting at `at`. What exceeds one step is left to the calling thread as work.
pub(super) fn change(
    context: &mut Context<'_>,
    change: Change,
    at: u64,
    length: u64,
) -> Result<Answer, Failure> {
    let (process, caller) = (context.target(), context.call.caller);
    let kernel = &mut *context.kernel;
    let (space, _) = kernel.system.space(process).ok_or(Failure::ENDED)?;
    // An invalid range is refused before anything is changed. A range that wraps around is invalid.
    match change {
        Change::Protect(protection) => {
            space.regions().check_protect(at, length, protection)?;
        }
        Change::Unmap => space.regions().check_unmap(at, length)?,
        Change::Discard => space.regions().check_discard(at, length)?,
    }
    let mut rest = RangeChange { caller, process, change, at, end: at.saturating_add(length) };
    rest.step(kernel)?;
    if rest.is_done() {
        return Ok(Answer::Empty);
    }
    kernel.system.give_current(Job::Range(rest));
    Ok(Answer::Later)
}

/// Continues as far as the budget allows, and answers at the end. Returns the remaining work.
pub(crate) fn go_on(kernel: &mut Kernel, mut rest: RangeChange, budget: &Budget) -> Option<RangeChange> {
    let reply = loop {
        match rest.step(kernel) {
            Err(Failure { code, text }) => break Reply::Exception(code, text),
            Ok(()) if rest.is_done() => break Reply::EMPTY,
            Ok(()) if budget.is_spent() => return Some(rest),
            Ok(()) => {}
        }
    };
    kernel.ipc.reply(&mut kernel.system, &rest.caller, reply);
    None
}

impl RangeChange {
    const fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// Changes the next piece.
    fn step(&mut self, kernel: &mut Kernel) -> Result<(), Failure> {
        let (space, objects) = kernel.system.space(self.process).ok_or(Failure::ENDED)?;
        let (at, next) = (self.at, space.end_of_piece(self.at, self.end));
        let length = next - at;
        match self.change {
            Change::Protect(protection) => space.protect(objects, at, length, protection)?,
            Change::Discard => space.discard(at, length)?,
            Change::Unmap => kernel.system.ending_objects(|system| {
                let (space, objects) = system.space(self.process).ok_or(Failure::ENDED)?;
                space.unmap(objects, at, length).map_err(Failure::from)
            })?,
        }
        self.at = next;
        Ok(())
    }
}
