//! The engine's long work, done at a host's pace.

use crate::pace::Pace;

impl wasmi::Pause for Pace {
    fn is_due(&mut self, work: usize) -> bool {
        self.is_over(work)
    }

    fn over(&mut self) {
        self.begin();
    }
}
