//! The kernel's self-check, for tests.

use crate::{kernel::Kernel, line::Line, system::System};
use capos_kernel_core::{
    ipc::Ipc,
    walk::{Flaw, Walk},
};
use core::fmt::{self, Write};

/// Maximum number of reported problems.
const MAX_PROBLEMS: usize = 16;

/// The findings of a check, in preallocated memory, since there may be no other left.
pub(crate) struct Problems {
    lines: [Line; MAX_PROBLEMS],
    count: usize,
}

impl Problems {
    pub(crate) const fn new() -> Self {
        Self { lines: [Line::EMPTY; MAX_PROBLEMS], count: 0 }
    }

    pub(crate) fn push(&mut self, problem: fmt::Arguments<'_>) {
        if let Some(line) = self.lines.get_mut(self.count) {
            // Writing to a line cannot fail.
            let _ = line.write_fmt(problem);
            self.count += 1;
        }
    }

    /// The sentences.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.get(..self.count).unwrap_or_default().iter().map(Line::as_str)
    }
}

impl Kernel {
    /// Number of parts of the check. Each part compares a consistent state; the parts may run at different times.
    pub(crate) const CHECKS: u32 = System::CHECKS + Ipc::CHECKS;

    /// Runs one part of the check. Every sentence reported is a bug.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`], or another bug.
    pub(crate) fn check_part(
        &self,
        part: u32,
        problems: &mut Problems,
        walk: &mut Walk<'_>,
    ) -> Result<(), Flaw> {
        match part.checked_sub(System::CHECKS) {
            None => self.system.check_part(part, problems, walk),
            Some(part) => self.ipc.check_part(part, walk),
        }
    }
}
