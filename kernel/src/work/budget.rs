//! How long the kernel goes on before it looks whether something else is to run.

use crate::arch::time;

/// The rest of a stretch of work. What is done in many steps asks after each of them.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    start_tsc: u64,
}

impl Budget {
    /// A stretch that begins now.
    #[inline]
    pub(crate) fn start() -> Self {
        Self { start_tsc: time::read_tsc() }
    }

    /// Whether it is time to look for something else to run.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        time::read_tsc().wrapping_sub(self.start_tsc) >= time::stretch_steps()
    }
}
