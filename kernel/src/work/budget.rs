//! How long the kernel goes on before it looks whether something else is to run.

use crate::arch::time;

/// Below what a higher priority may be made to wait (docs/limits.md), by as much as the longest single step takes.
const STRETCH_NS: u64 = 50_000;

/// The rest of a stretch of work. What is done in many steps asks after each of them.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    end_tsc: u64,
}

impl Budget {
    /// A stretch that begins now.
    pub(crate) fn start() -> Self {
        Self { end_tsc: time::read_tsc().saturating_add(time::scale().steps(STRETCH_NS)) }
    }

    /// Whether it is time to look for something else to run.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        time::read_tsc() >= self.end_tsc
    }
}
