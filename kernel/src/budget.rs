//! How long the kernel works before it checks whether another thread is to run.

use crate::arch::time;

/// The remaining time of a stretch of work. Work in many steps checks it after each of them.
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

    /// Whether it is time to check for another thread to run.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        time::read_tsc().wrapping_sub(self.start_tsc) >= time::stretch_steps()
    }
}
